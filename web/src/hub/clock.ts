/** The server's clock, as its answers tell it: this device's may be minutes off. */

let ahead = 0; // ms

export const now = () => Date.now() + ahead;

/** Fetch, and set the clock by the answer. */
export const timed: typeof fetch = async (...request) => {
  const response = await fetch(...request);
  const date = Date.parse(response.headers.get("date") ?? "");
  if (Math.abs(date - now()) > 2000) ahead = date - Date.now(); // a date has whole seconds
  return response;
};
