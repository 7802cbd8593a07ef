/** Times by this device's clock, in milliseconds. It may be wrong, so they are computed from seconds that the server sends. */

export const inSeconds = (seconds: number) => Date.now() + seconds * 1000;

export const secondsUntil = (time: number) =>
  Math.max(0, Math.ceil((time - Date.now()) / 1000));
