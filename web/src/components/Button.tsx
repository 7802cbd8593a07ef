import type { ButtonHTMLAttributes } from "react";

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  busy?: boolean;
  className?: string | undefined;
}

/** A button that shows that its action is running. Unlike a disabled button, it keeps the focus. */
export function Button({ busy = false, className = "", children, ...button }: ButtonProps) {
  return (
    <button
      type="button"
      {...button}
      aria-disabled={busy}
      className={busy ? `${className} busy` : className}
    >
      {children}
    </button>
  );
}
