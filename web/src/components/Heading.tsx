import { type ReactNode, useEffect, useRef } from "react";

/** A heading. The main one takes the focus when it appears, so that a new page is read out. */
export function Heading({ isMain = true, children }: { isMain?: boolean; children: ReactNode }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (isMain) heading.current?.focus();
  }, [isMain]);
  if (!isMain) return <h2>{children}</h2>;
  return (
    <h1 ref={heading} tabIndex={-1}>
      {children}
    </h1>
  );
}
