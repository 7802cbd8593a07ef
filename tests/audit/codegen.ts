// SCHEMA is a file or the address of a server; what is made from it lies in generated/.
import type { CodegenConfig } from "@graphql-codegen/cli";

const config: CodegenConfig = {
  schema: process.env.SCHEMA ?? "",
  documents: "operations.graphql",
  emitLegacyCommonJSImports: false,
  generates: {
    "generated/typescript/": {
      preset: "client",
      presetConfig: {
        fragmentMasking: false,
        persistedDocuments: { hashAlgorithm: "sha256" },
      },
      config: {
        strictScalars: true,
        scalars: { PhoneNumber: "string", DateTime: "string" },
        useTypeImports: true,
      },
    },
    "generated/typescript/possible-types.ts": {
      plugins: ["fragment-matcher"],
      config: { useExplicitTyping: true },
    },
  },
};

export default config;
