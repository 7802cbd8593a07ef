import { useEffect, useState } from "react";

type Phones = typeof import("./phones");

/** Return the parser of phone numbers once it has loaded, null before. */
export function usePhones(): Phones | null {
  const [phones, setPhones] = useState<Phones | null>(null);
  useEffect(() => {
    import("./phones").then(setPhones, () => undefined); // the server parses numbers too
  }, []);
  return phones;
}
