import { useQuery } from "@apollo/client/react";
import { useState } from "react";

import {
  EndOtherSessionsDocument,
  EndSessionDocument,
  SessionsDocument,
  type SessionsQuery,
} from "../generated/graphql";
import { ask } from "../api/client";
import { useAction } from "../api/useAction";
import { dateTime, useLanguage, useTexts } from "../i18n";
import { Button } from "../components/Button";
import { LoadError } from "../components/LoadError";
import { ProblemMessage } from "../components/ProblemMessage";
import { deviceName } from "./deviceName";

type Session = NonNullable<SessionsQuery["me"]>["sessions"][number];

/** The sessions of this person, with buttons to end the others. */
export function Sessions() {
  const { sessions: texts } = useTexts();
  const [ended, setEnded] = useState(false);
  const { data, error, refetch } = useQuery(SessionsDocument, { fetchPolicy: "cache-and-network" });
  const sessions = data?.me?.sessions ?? [];
  const ending = useAction(async (id: string) => {
    const answer = await ask(EndSessionDocument, { id });
    await refetch();
    return answer.__typename === "SessionEnded" ? null : answer;
  });
  const endingOthers = useAction(async () => {
    await ask(EndOtherSessionsDocument, {});
    await refetch();
    return null;
  });

  if (error && !data) return <LoadError retry={refetch} />;
  return (
    <>
      <ProblemMessage
        problem={error ? { __typename: "Failure" } : (ending.problem ?? endingOthers.problem)}
      />
      <ul className="list">
        {sessions.map((session) => (
          <SessionItem
            key={session.id}
            session={session}
            busy={ending.busy}
            end={() => void ending.run(session.id)}
          />
        ))}
      </ul>
      {sessions.length > 1 && (
        <Button
          busy={endingOthers.busy}
          onClick={() => void endingOthers.run().then((done) => {
            setEnded(done);
          })}
        >
          {texts.endOthers}
        </Button>
      )}
      <p role="status">{ended && texts.othersEnded}</p>
    </>
  );
}

function SessionItem({ session, ...button }: { session: Session; busy: boolean; end: () => void }) {
  const { sessions: texts } = useTexts();
  const language = useLanguage();
  const device = deviceName(session.device) ?? texts.unknownDevice;
  return (
    <li>
      <div>
        <strong>{session.current ? texts.current : device}</strong>
        <p className="hint">
          {[
            session.current && device,
            session.address,
            texts.lastUsed(dateTime(session.lastUsedAt, language)),
          ]
            .filter(Boolean)
            .join(" · ")}
        </p>
      </div>
      {!session.current && (
        <Button busy={button.busy} aria-label={texts.endOf(device)} onClick={button.end}>
          {texts.end}
        </Button>
      )}
    </li>
  );
}
