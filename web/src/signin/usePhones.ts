import { useEffect, useState } from "react";

type Phones = typeof import("./phones");

/** What understands phone numbers, once it has loaded. */
export function usePhones(): Phones | null {
  const [phones, setPhones] = useState<Phones | null>(null);
  useEffect(() => {
    import("./phones").then(setPhones, () => undefined); // the server reads numbers too
  }, []);
  return phones;
}
