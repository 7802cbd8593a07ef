"""GraphQL text → a document that may be executed: parsed, within the limits and valid."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import orjson
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    parse,
)

from connect_hub.api.compiled import Plans
from connect_hub.api.limits import MAX_ERRORS, MAX_LINES, MAX_TOKENS, exceeded
from connect_hub.api.validation import Validator
from connect_hub.settings import StartupError

REMEMBERED = 256  # documents
MAX_LENGTH = 16 * 1024  # characters of a document
_PREFIX = "sha256:"


class InvalidDocumentError(Exception):
    """This text is no valid document."""

    def __init__(self, errors: list[GraphQLError], *, code: str) -> None:
        super().__init__()
        self.errors = errors[:MAX_ERRORS]
        for error in self.errors:
            error.extensions = {"code": code}


@dataclass(frozen=True)
class Prepared:
    """A document that may be executed, and what was compiled of it."""

    document: DocumentNode
    plans: Plans = field(default_factory=dict)
    _fields: dict[str | None, str] = field(default_factory=dict)

    def field_of(self, operation: OperationDefinitionNode) -> str:
        """Tell the first field that an operation asks for, by its name in the schema."""
        name = operation.name.value if operation.name else None
        if name not in self._fields:
            fragments = {
                node.name.value: node.selection_set
                for node in self.document.definitions
                if isinstance(node, FragmentDefinitionNode)
            }
            self._fields[name] = _first_field(operation.selection_set, fragments) or "none"
        return self._fields[name]


def _first_field(selected: SelectionSetNode, unvisited: dict[str, SelectionSetNode]) -> str | None:
    for node in selected.selections:  # there may be none
        match node:
            case FieldNode():
                return node.name.value
            case FragmentSpreadNode():
                inner = unvisited.pop(node.name.value, None)
            case InlineFragmentNode():
                inner = node.selection_set
        if inner and (found := _first_field(inner, unvisited)):
            return found
    return None


class Documents:
    """Parses and validates documents for one schema; what was valid is remembered by its text."""

    def __init__(self, schema: GraphQLSchema, *, introspection: bool) -> None:
        self._validator = Validator(schema, introspection=introspection)
        self.prepare = lru_cache(REMEMBERED)(self._prepare)

    def _prepare(self, text: str) -> Prepared:
        """Make a document of a text.

        Raises:
            InvalidDocumentError: with up to MAX_ERRORS errors, each with its code.
        """
        if len(text) > MAX_LENGTH or max(map(text.count, "\r\n")) > MAX_LINES:
            message = (
                f"A document takes {MAX_LENGTH} characters and {MAX_LINES} lines: use variables."
            )
            raise InvalidDocumentError([GraphQLError(message)], code="GRAPHQL_PARSE_FAILED")
        try:
            document = parse(text, max_tokens=MAX_TOKENS)
            findings = exceeded(document) or self._validator.errors(document, text)
        except GraphQLSyntaxError as error:
            raise InvalidDocumentError([error], code="GRAPHQL_PARSE_FAILED") from None
        if findings:
            raise InvalidDocumentError(findings, code="GRAPHQL_VALIDATION_FAILED")
        return Prepared(document)


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
