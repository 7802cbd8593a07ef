// Unpacks @sparticuz/chromium into the folder $TMPDIR, with the libraries that a bare machine lacks.
import { fileURLToPath } from "node:url";

import { inflate } from "@sparticuz/chromium";

const packed = new URL("../bin/", import.meta.resolve("@sparticuz/chromium"));
for (const name of ["chromium.br", "al2023.tar.br", "fonts.tar.br"]) {
  await inflate(fileURLToPath(new URL(name, packed)));
}
