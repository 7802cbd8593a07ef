import { useEffect, useEffectEvent } from "react";

/** Read the code from the SMS if the browser can (https://web.dev/web-otp). */
export function useCodeFromSms(take: (code: string) => void) {
  const taken = useEffectEvent(take);
  useEffect(() => {
    if (!("OTPCredential" in window)) return;
    const stop = new AbortController();
    const wanted = { otp: { transport: ["sms"] }, signal: stop.signal };
    navigator.credentials.get(wanted as CredentialRequestOptions).then(
      (credential) => {
        taken((credential as unknown as { code: string }).code);
      },
      () => undefined, // not allowed, or aborted: the person types the code
    );
    return () => {
      stop.abort();
    };
  }, []);
}
