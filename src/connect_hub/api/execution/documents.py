"""From the text of a document to one that can be executed: parsed, within the limits and valid."""

from collections.abc import Mapping
from pathlib import Path

import orjson
from graphql import DocumentNode, GraphQLError, GraphQLSchema, GraphQLSyntaxError, parse

from connect_hub.api.execution.document_cache import DocumentCache
from connect_hub.api.execution.prepared_document import PreparedDocument
from connect_hub.api.execution.query_limits import MAX_ERRORS, MAX_LINES, MAX_TOKENS, check_limits
from connect_hub.api.execution.validation import Validator
from connect_hub.settings import StartupError

MAX_LENGTH = 16 * 1024  # characters of a document
_HASH_PREFIX = "sha256:"


class InvalidDocumentError(Exception):
    """A document cannot be executed."""

    def __init__(self, errors: list[GraphQLError], *, code: str) -> None:
        super().__init__()
        self.errors = errors[:MAX_ERRORS]
        for error in self.errors:
            error.extensions = {"code": code}


class Documents:
    """Parses and validates documents for one schema, and caches those that are valid."""

    def __init__(self, schema: GraphQLSchema, *, introspection: bool) -> None:
        self._validator = Validator(schema, introspection=introspection)
        self.cache = DocumentCache()

    def prepare(self, text: str) -> PreparedDocument:
        """Parse and validate a document, unless it is cached.

        Raises:
            InvalidDocumentError: the document has errors.
        """
        prepared = self.cache.get(text)
        if prepared is None:
            prepared = self._prepare(text)
            self.cache.add(text, prepared)
        return prepared

    def _prepare(self, text: str) -> PreparedDocument:
        if len(text) > MAX_LENGTH or max(map(text.count, "\r\n")) > MAX_LINES:
            message = (
                f"A document may have at most {MAX_LENGTH} characters and {MAX_LINES} lines:"
                " use variables."
            )
            raise InvalidDocumentError([GraphQLError(message)], code="GRAPHQL_PARSE_FAILED")
        try:
            document = parse(text, max_tokens=MAX_TOKENS)
            _unlink_tokens(document)
            errors = check_limits(document) or self._validator.validate(document, text)
        except GraphQLSyntaxError as error:
            raise InvalidDocumentError([error], code="GRAPHQL_PARSE_FAILED") from None
        if errors:
            raise InvalidDocumentError(errors, code="GRAPHQL_VALIDATION_FAILED")
        return PreparedDocument(document)


def _unlink_tokens(document: DocumentNode) -> None:
    """Free comments, and the tokens that no node refers to.

    Each token refers to its predecessor and successor. This cycle would stay in memory until a full
    garbage collection, long after the cache evicted the document.
    """
    token = document.loc.start_token if document.loc else None
    while token:
        following, token.prev, token.next = token.next, None, None
        token = following


class TrustedDocuments:
    """The documents of a manifest `{"hash": "text", …}`, which GraphQL Code Generator writes."""

    def __init__(self, manifest: Path | None, documents: Documents) -> None:
        """Read the manifest, and validate its documents; None: there are no trusted documents.

        Raises:
            StartupError: the manifest cannot be read, or one of its documents is invalid.
        """
        self._texts = _read(manifest) if manifest else {}
        for name, text in self._texts.items():
            try:
                documents.prepare(text)
            except InvalidDocumentError as error:
                reason = error.errors[0].message
                raise StartupError(
                    f"TRUSTED_DOCUMENTS: the document {name} is not valid ({reason}):"
                    " generate the manifest again, for this version's schema.graphql."
                ) from None

    def get(self, name: str) -> str | None:
        """Return a document by its hash, with or without the prefix `sha256:`."""
        return self._texts.get(name.removeprefix(_HASH_PREFIX))


def _read(manifest: Path) -> Mapping[str, str]:
    try:
        texts = orjson.loads(manifest.read_bytes())
    except (OSError, ValueError) as error:
        raise StartupError(
            f"TRUSTED_DOCUMENTS: {manifest} cannot be read ({error}): set the path of the manifest,"
            " a JSON file."
        ) from None
    if (
        not texts
        or not isinstance(texts, dict)
        or not all(isinstance(text, str) for text in texts.values())
    ):
        raise StartupError(
            f"TRUSTED_DOCUMENTS: {manifest} must be a JSON object of hashes and documents, which"
            " GraphQL Code Generator's client preset writes."
        )
    return {name.removeprefix(_HASH_PREFIX): text for name, text in texts.items()}
