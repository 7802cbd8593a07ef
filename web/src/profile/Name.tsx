import { type SubmitEvent, useState } from "react";

import { type InvitedPhones, UpdateProfileDocument } from "../generated/graphql";
import { ask } from "../api/client";
import { useAction } from "../api/useAction";
import { useTexts } from "../i18n";
import { Button } from "../components/Button";
import { Field } from "../components/Field";

/** The name that this person's inviter reads. */
export function Name({ name, invitedPhones }: { name: string | null; invitedPhones: InvitedPhones }) {
  const { yourName: texts } = useTexts();
  const [typed, setTyped] = useState(name ?? "");
  const [saved, setSaved] = useState(false);
  const { run, busy, problem } = useAction(async () => {
    const answer = await ask(UpdateProfileDocument, { name: typed || null });
    if (answer.__typename !== "ProfileUpdated") return answer;
    setTyped(answer.client.name ?? "");
    return null;
  });

  function submit(event: SubmitEvent) {
    event.preventDefault();
    setSaved(false);
    void run().then(setSaved);
  }

  return (
    <form onSubmit={submit}>
      <p className="lead">{texts.seen[invitedPhones]}</p>
      <Field
        label={texts.field}
        hint={texts.hint}
        problem={problem}
        autoComplete="name"
        value={typed}
        onChange={setTyped}
      />
      <Button type="submit" busy={busy}>
        {texts.save}
      </Button>
      <p role="status">{saved && (name === null ? texts.removed : texts.saved(name))}</p>
    </form>
  );
}
