import { useTexts } from "../i18n";
import { Heading } from "./Heading";
import { LoadError } from "./LoadError";

/** What a page shows until the server has answered. */
export function Loading({ error, retry }: { error: unknown; retry: () => Promise<unknown> }) {
  const texts = useTexts();
  return (
    <section className="card narrow">
      {error ? (
        <>
          <Heading>{texts.notLoaded}</Heading>
          <LoadError retry={retry} />
        </>
      ) : (
        <p className="lead" aria-busy="true">
          {texts.loading}
        </p>
      )}
    </section>
  );
}
