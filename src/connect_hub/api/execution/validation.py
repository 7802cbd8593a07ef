"""Validation of documents by the rules of GraphQL, at a limited cost."""

from typing import Any

from graphql import (
    DocumentNode,
    FragmentsOnCompositeTypesRule,
    GraphQLError,
    GraphQLSchema,
    KnownArgumentNamesRule,
    KnownDirectivesRule,
    KnownFragmentNamesRule,
    KnownTypeNamesRule,
    MaxIntrospectionDepthRule,
    NoFragmentCyclesRule,
    NoSchemaIntrospectionCustomRule,
    NoUndefinedVariablesRule,
    NoUnusedFragmentsRule,
    NoUnusedVariablesRule,
    PossibleFragmentSpreadsRule,
    SingleFieldSubscriptionsRule,
    UniqueArgumentNamesRule,
    UniqueFragmentNamesRule,
    UniqueInputFieldNamesRule,
    UniqueVariableNamesRule,
    ValuesOfCorrectTypeRule,
    VariablesAreInputTypesRule,
    VariablesInAllowedPositionRule,
    specified_rules,
    validate,
)
from graphql.validation import (
    ASTValidationRule,
    DeferStreamDirectiveLabel,
    DeferStreamDirectiveOnRootField,
    DeferStreamDirectiveOnValidOperationsRule,
    StreamDirectiveOnListField,
    UniqueDirectivesPerLocationRule,
)

from connect_hub.api.execution.query_limits import MAX_ERRORS

Rules = list[type[ASTValidationRule]]

# The schema has no @defer and no @stream, so KnownDirectivesRule rejects both. The rules about them
# add nothing, and one of them raises an exception where a union's fields are selected.
INCREMENTAL_RULES: set[type[ASTValidationRule]] = {
    DeferStreamDirectiveLabel,
    DeferStreamDirectiveOnRootField,
    DeferStreamDirectiveOnValidOperationsRule,
    StreamDirectiveOnListField,
}

# Rules by the tokens that they are about. Names, keywords and punctuation cannot be escaped, so
# these rules find nothing in a text that contains none of the tokens.
_RULES_ABOUT: dict[tuple[str, ...], set[type[ASTValidationRule]]] = {
    ("$",): {
        NoUndefinedVariablesRule,
        NoUnusedVariablesRule,
        UniqueVariableNamesRule,
        VariablesAreInputTypesRule,
        VariablesInAllowedPositionRule,
    },
    ("@",): {KnownDirectivesRule, UniqueDirectivesPerLocationRule},
    ("...", "fragment"): {
        FragmentsOnCompositeTypesRule,
        KnownFragmentNamesRule,
        NoFragmentCyclesRule,
        NoUnusedFragmentsRule,
        PossibleFragmentSpreadsRule,
        UniqueFragmentNamesRule,
    },
    ("(",): {
        KnownArgumentNamesRule,
        UniqueArgumentNamesRule,
        UniqueInputFieldNamesRule,
        ValuesOfCorrectTypeRule,
    },
    ("subscription",): {SingleFieldSubscriptionsRule},
    ("__",): {MaxIntrospectionDepthRule, NoSchemaIntrospectionCustomRule},
}


class _KnownTypeNames(KnownTypeNamesRule):
    """Without suggestions: comparing an unknown name with all types takes milliseconds."""

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self.type_names = []


class Validator:
    """Validates documents for one schema."""

    def __init__(self, schema: GraphQLSchema, *, introspection: bool) -> None:
        self._schema = schema
        self._hide_suggestions = not introspection
        self._rules: Rules = [
            _KnownTypeNames if rule is KnownTypeNamesRule else rule
            for rule in specified_rules
            if rule not in INCREMENTAL_RULES
        ]
        if not introspection:
            self._rules.append(NoSchemaIntrospectionCustomRule)

    def validate(self, document: DocumentNode, text: str) -> list[GraphQLError]:
        """Return up to MAX_ERRORS errors; one more says that validation was aborted."""
        errors = validate(
            self._schema,
            document,
            self._rules_for(text),
            max_errors=MAX_ERRORS,
            hide_suggestions=self._hide_suggestions,
        )
        return [_without_cause(error) for error in errors]

    def _rules_for(self, text: str) -> Rules:
        """Return the rules that can find an error in a text."""
        rules = self._rules
        for tokens, rules_about in _RULES_ABOUT.items():
            if not any(token in text for token in tokens):
                rules = [rule for rule in rules if rule not in rules_about]
        return rules


def _without_cause(error: GraphQLError) -> GraphQLError:
    """Replace an exception: int() raises one for more than 4,300 digits."""
    if error.original_error is None:
        return error
    return GraphQLError("This number is out of range: send one that its type accepts.", error.nodes)
