import { useTexts } from "./i18n";
import { Heading } from "./components/Heading";

export function NotFound() {
  const texts = useTexts();
  return (
    <section className="card narrow">
      <Heading>{texts.notFound.heading}</Heading>
      <a href="/">{texts.notFound.home}</a>
    </section>
  );
}
