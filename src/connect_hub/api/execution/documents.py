"""GraphQL text → a document that may be executed: parsed, within the limits and valid."""

from collections.abc import Mapping
from pathlib import Path

import orjson
from graphql import DocumentNode, GraphQLError, GraphQLSchema, GraphQLSyntaxError, parse

from connect_hub.api.execution.document_cache import DocumentCache
from connect_hub.api.execution.prepared_document import Prepared
from connect_hub.api.execution.query_limits import MAX_ERRORS, MAX_LINES, MAX_TOKENS, exceeded
from connect_hub.api.execution.validation import Validator
from connect_hub.settings import StartupError

MAX_LENGTH = 16 * 1024  # characters of a document
_PREFIX = "sha256:"


class InvalidDocumentError(Exception):
    """This text is no valid document."""

    def __init__(self, errors: list[GraphQLError], *, code: str) -> None:
        super().__init__()
        self.errors = errors[:MAX_ERRORS]
        for error in self.errors:
            error.extensions = {"code": code}


class Documents:
    """Parses and validates documents for one schema; what was valid is remembered by its text."""

    def __init__(self, schema: GraphQLSchema, *, introspection: bool) -> None:
        self._validator = Validator(schema, introspection=introspection)
        self.cache = DocumentCache()

    def prepare(self, text: str) -> Prepared:
        """Make a document of a text, or find the one that was made of it.

        Raises:
            InvalidDocumentError: with up to MAX_ERRORS errors, each with its code.
        """
        prepared = self.cache.get(text)
        if prepared is None:
            prepared = self._prepare(text)
            self.cache.add(text, prepared)
        return prepared

    def _prepare(self, text: str) -> Prepared:
        if len(text) > MAX_LENGTH or max(map(text.count, "\r\n")) > MAX_LINES:
            message = (
                f"A document takes {MAX_LENGTH} characters and {MAX_LINES} lines: use variables."
            )
            raise InvalidDocumentError([GraphQLError(message)], code="GRAPHQL_PARSE_FAILED")
        try:
            document = parse(text, max_tokens=MAX_TOKENS)
            _unlink_tokens(document)
            findings = exceeded(document) or self._validator.errors(document, text)
        except GraphQLSyntaxError as error:
            raise InvalidDocumentError([error], code="GRAPHQL_PARSE_FAILED") from None
        if findings:
            raise InvalidDocumentError(findings, code="GRAPHQL_VALIDATION_FAILED")
        return Prepared(document)


def _unlink_tokens(document: DocumentNode) -> None:
    """Free the tokens that no node refers to, and comments.

    Each token refers to the next and to the one before. Such a cycle stays in memory until a full
    garbage collection, long after the cache has dropped the document.
    """
    token = document.loc.start_token if document.loc else None
    while token:
        following, token.prev, token.next = token.next, None, None
        token = following


class TrustedDocuments:
    """The texts of a manifest `{"hash": "text", …}`, as GraphQL Code Generator writes it."""

    def __init__(self, manifest: Path | None, documents: Documents) -> None:
        """Read the manifest; without one nothing is trusted.

        Raises:
            StartupError: it cannot be read, or a document of it is not valid.
        """
        self._texts = _read(manifest) if manifest else {}
        for name, text in self._texts.items():
            try:
                documents.prepare(text)
            except InvalidDocumentError as error:
                reason = error.errors[0].message
                raise StartupError(
                    f"TRUSTED_DOCUMENTS: the document {name} is not valid ({reason}):"
                    " generate the manifest anew for this version's schema.graphql."
                ) from None

    def get(self, name: str) -> str | None:
        """Find a text by its hash, with or without `sha256:` before it."""
        return self._texts.get(name.removeprefix(_PREFIX))


def _read(manifest: Path) -> Mapping[str, str]:
    try:
        texts = orjson.loads(manifest.read_bytes())
    except (OSError, ValueError) as error:
        raise StartupError(
            f"TRUSTED_DOCUMENTS: {manifest} cannot be read ({error}): write the path of the"
            " manifest, a file of JSON."
        ) from None
    if (
        not texts
        or not isinstance(texts, dict)
        or not all(isinstance(text, str) for text in texts.values())
    ):
        raise StartupError(
            f"TRUSTED_DOCUMENTS: {manifest} takes a JSON object of hashes and documents, as"
            " GraphQL Code Generator's client preset writes it."
        )
    return {name.removeprefix(_PREFIX): text for name, text in texts.items()}
