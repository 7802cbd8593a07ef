"""Validation of documents by the rules of GraphQL, at a limited cost."""

from typing import Any

from graphql import DocumentNode, GraphQLError, GraphQLSchema, specified_rules, validate
from graphql import validation as rules

from connect_hub.api.execution.query_limits import MAX_ERRORS

Rule = type[rules.ASTValidationRule]

# The schema has no @defer and no @stream, so KnownDirectivesRule rejects both. The rules about them
# add nothing, and one of them raises an exception where a union's fields are selected.
INCREMENTAL_RULES: set[Rule] = {
    rules.DeferStreamDirectiveLabel,
    rules.DeferStreamDirectiveOnRootField,
    rules.DeferStreamDirectiveOnValidOperationsRule,
    rules.StreamDirectiveOnListField,
}

# The tokens that a rule is about. Names, keywords and punctuation cannot be escaped, so the rule
# finds nothing in a text that contains none of its tokens.
_SPREADS = "...", "fragment"
_TOKENS_OF_RULES: dict[Rule, tuple[str, ...]] = {
    rules.NoUndefinedVariablesRule: ("$",),
    rules.NoUnusedVariablesRule: ("$",),
    rules.UniqueVariableNamesRule: ("$",),
    rules.VariablesAreInputTypesRule: ("$",),
    rules.VariablesInAllowedPositionRule: ("$",),
    rules.KnownDirectivesRule: ("@",),
    rules.UniqueDirectivesPerLocationRule: ("@",),
    rules.FragmentsOnCompositeTypesRule: _SPREADS,
    rules.KnownFragmentNamesRule: _SPREADS,
    rules.NoFragmentCyclesRule: _SPREADS,
    rules.NoUnusedFragmentsRule: _SPREADS,
    rules.PossibleFragmentSpreadsRule: _SPREADS,
    rules.UniqueFragmentNamesRule: _SPREADS,
    rules.KnownArgumentNamesRule: ("(",),
    rules.UniqueArgumentNamesRule: ("(",),
    rules.UniqueInputFieldNamesRule: ("(",),
    rules.ValuesOfCorrectTypeRule: ("(",),
    rules.SingleFieldSubscriptionsRule: ("subscription",),
    rules.MaxIntrospectionDepthRule: ("__",),
    rules.NoSchemaIntrospectionCustomRule: ("__",),
}
_IN_EVERY_TEXT = ("",)


class _KnownTypeNames(rules.KnownTypeNamesRule):
    """Without suggestions: comparing an unknown name with all types takes milliseconds."""

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self.type_names = []


class Validator:
    """Validates documents for one schema."""

    def __init__(self, schema: GraphQLSchema, *, introspection: bool) -> None:
        self._schema = schema
        self._hide_suggestions = not introspection
        self._rules: list[Rule] = [
            _KnownTypeNames if rule is rules.KnownTypeNamesRule else rule
            for rule in specified_rules
            if rule not in INCREMENTAL_RULES
        ]
        if not introspection:
            self._rules.append(rules.NoSchemaIntrospectionCustomRule)

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

    def _rules_for(self, text: str) -> list[Rule]:
        """Return the rules that can find an error in a text."""
        return [
            rule
            for rule in self._rules
            if any(token in text for token in _TOKENS_OF_RULES.get(rule, _IN_EVERY_TEXT))
        ]


def _without_cause(error: GraphQLError) -> GraphQLError:
    """Replace an exception: int() raises one for more than 4,300 digits."""
    if error.original_error is None:
        return error
    return GraphQLError("This number is out of range: send one that its type accepts.", error.nodes)
