"""GraphQL text → a document that may be executed: parsed, within the limits and valid."""

from functools import lru_cache

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    parse,
    specified_rules,
    validate,
)

from connect_hub.api.limits import OneMutationRule

RULES = [*specified_rules, OneMutationRule]
MAX_TOKENS = 500  # in one document
MAX_ERRORS = 5  # told at once
_REMEMBERED = 1000  # documents


class InvalidDocumentError(Exception):
    """This text is no valid document."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__()
        self.errors = errors


@lru_cache(maxsize=_REMEMBERED)
def prepare(schema: GraphQLSchema, text: str) -> DocumentNode:
    """Parse and validate a document; what was valid once is remembered by its text.

    Raises:
        InvalidDocumentError: with up to MAX_ERRORS errors, each with its code.
    """
    try:
        document = parse(text, max_tokens=MAX_TOKENS)
    except GraphQLSyntaxError as error:
        error.extensions = {"code": "GRAPHQL_PARSE_FAILED"}
        raise InvalidDocumentError([error]) from None
    if findings := validate(schema, document, RULES, max_errors=MAX_ERRORS):
        for finding in findings:
            finding.extensions = {"code": "GRAPHQL_VALIDATION_FAILED"}
        raise InvalidDocumentError(findings[:MAX_ERRORS])
    return document
