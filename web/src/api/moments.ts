/** Moments by this device's clock, which may be wrong: made of the seconds that the server gives. */

export const inSeconds = (seconds: number) => Date.now() + seconds * 1000;

export const secondsUntil = (moment: number) =>
  Math.max(0, Math.ceil((moment - Date.now()) / 1000));
