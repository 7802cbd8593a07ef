import { useState } from "react";

import { useTexts } from "../i18n";
import { Button } from "../components/Button";
import { Qr } from "../components/Qr";
import { invitationLink } from "../router";

interface InvitationProps {
  code: string;
  /** How often the code may still be applied; null means without limit. */
  left: number | null;
  isMain: boolean;
}

/** This person's invitation code, as text, link and QR code. */
export function Invitation({ code, left, isMain }: InvitationProps) {
  const { invitation: texts } = useTexts();
  const [copied, setCopied] = useState<boolean | null>(null);
  const url = invitationLink(code);

  async function copy() {
    setCopied(null);
    try {
      await navigator.clipboard.writeText(url);
      setCopied(true);
    } catch {
      setCopied(false); // no permission, or the page came by plain HTTP
    }
  }

  if (left === 0) {
    return (
      <>
        <p className="lead">{texts.usedUp}</p>
        <dl>
          <dt>{texts.yourCode}</dt>
          <dd className="code">{code}</dd>
        </dl>
      </>
    );
  }
  return (
    <>
      <p className="lead">
        {texts.lead} {left !== null && texts.left(left)}
      </p>
      <Qr text={url} label={texts.qr} />
      <dl>
        <dt>{texts.yourCode}</dt>
        <dd className="code">{code}</dd>
        <dt>{texts.link}</dt>
        <dd className="link">{url}</dd>
      </dl>
      <div className="row">
        <Button className={isMain ? "primary" : ""} onClick={() => void copy()}>
          {texts.copy}
        </Button>
        {"share" in navigator && (
          <Button
            onClick={() => {
              navigator.share({ text: texts.shareText(code), url }).catch(() => undefined); // the person cancelled
            }}
          >
            {texts.share}
          </Button>
        )}
      </div>
      <p role="status">{copied === null ? "" : copied ? texts.copied : texts.notCopied}</p>
    </>
  );
}
