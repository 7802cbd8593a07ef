import { useTexts } from "./language";
import { Heading } from "./parts/Heading";

export function NotFound() {
  const texts = useTexts();
  return (
    <section className="card narrow">
      <Heading>{texts.notFound.heading}</Heading>
      <a href="/">{texts.notFound.home}</a>
    </section>
  );
}
