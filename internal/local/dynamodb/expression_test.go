package dynamodb

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// parseItem reads DynamoDB JSON.
func parseItem(t testing.TB, text string) item {
	t.Helper()
	var it item
	if err := json.Unmarshal([]byte(text), &it); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if err := it.validate(); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return it
}

var sampleValues = `{":s":{"S":"a"},":n":{"N":"5"},":one":{"N":"1"},":b":{"B":"AAE="},":t":{"BOOL":true},":f":{"BOOL":false},":nul":{"NULL":true},
	":ss":{"SS":["b","a"]},":ns":{"NS":["1","2"]},":bs":{"BS":["AA=="]},":l":{"L":[{"S":"x"},{"M":{"y":{"N":"1"}}}]},":m":{"M":{"y":{"L":[{"N":"1"}]}}},":S":{"S":"S"},":M":{"S":"M"},":big":{"N":"99999999999999999999999999999999999999"}}`

var sampleNames = map[string]string{"#a": "a", "#d": "with.dot", "#status": "status"}

func samplePlaceholders(t testing.TB) *placeholders {
	t.Helper()
	h, err := newPlaceholders(sampleNames, parseItem(t, sampleValues))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

const sampleItem = `{
	"a":{"S":"a"}, "n":{"N":"5"}, "bin":{"B":"AAEC"}, "yes":{"BOOL":true}, "nay":{"BOOL":false}, "nul":{"NULL":true},
	"ss":{"SS":["a","b"]}, "ns":{"NS":["1","2"]}, "bs":{"BS":["AA==","AAE="]},
	"l":{"L":[{"S":"x"},{"M":{"y":{"N":"1"}}},{"L":[{"N":"7"}]}]}, "m":{"M":{"y":{"L":[{"N":"1"}]},"with.dot":{"S":"inner"}}},
	"with.dot":{"S":"outer"}, "emoji":{"S":"\ud83d\ude00é"}, "blank":{"S":""}
}`

func TestConditions(t *testing.T) {
	it := parseItem(t, sampleItem)
	for expression, want := range map[string]bool{
		"a = :s":                          true,
		"#a = :s":                         true,
		":s = a":                          true,
		"a <> :s":                         false,
		"absent <> :s":                    true,
		"absent = :s":                     false,
		"absent = another":                false,
		"NOT absent = :s":                 true,
		"n < :n":                          false,
		"n <= :n":                         true,
		"n > :one":                        true,
		"n >= :big":                       false,
		"a > :n":                          false, // types without order between them
		"absent < :n":                     false,
		"yes = :t":                        true,
		"nay = :f":                        true,
		"nay IN (:f)":                     true,
		"ss = :ss":                        true, // sets have no order
		"ss <> :ns":                       true,
		"l[1] = :m":                       false,
		"m = :m":                          false,
		"m.y = l":                         false,
		"m.#d = a":                        false,
		"#d = a":                          false,
		"l[2][0] > :n":                    true,
		"l[1].y = :one":                   true,
		"l[9] = :one":                     false,
		"m.y[0] = :one":                   true,
		"a.b = :one":                      false,
		"n BETWEEN :one AND :n":           true,
		"n between :n and :big":           true,
		"emoji BETWEEN :S AND :s":         false,
		"absent BETWEEN :one AND :n":      false,
		":n BETWEEN n AND n":              true,
		"n IN (:one, :s, :n)":             true,
		"absent IN (:one)":                false,
		"attribute_exists(m.y[0])":        true,
		"attribute_exists(m.z)":           false,
		"attribute_not_exists(l[3])":      true,
		"attribute_type(m, :M)":           true,
		"attribute_type(nay, :S)":         false,
		"begins_with(a, :s)":              true,
		"begins_with(bin, :b)":            true,
		"begins_with(n, :s)":              false,
		"contains(a, :s)":                 true,
		"contains(bin, :b)":               true,
		"contains(ss, :s)":                true,
		"contains(ns, :one)":              true,
		"contains(bs, :b)":                true,
		"contains(ns, :s)":                false,
		"contains(l, :l)":                 false,
		"contains(l[1], :one)":            false,
		"contains(m.y, :one)":             true,
		"size(emoji) < :n":                true,
		"size(blank) < :one":              true,
		"size(bin) = size(l)":             true,
		"size(m) > :one":                  true,
		"size(ss) > :one":                 true,
		"size(n) > :one":                  false, // numbers have no size
		"a = :s AND n = :n OR a = :S":     true,
		"a = :S AND n = :n OR a = :s":     true,
		"a = :s OR n = :one AND a = :S":   true,
		"(a = :s OR n = :one) AND a = :S": false,
		"NOT a = :s OR n = :n":            true,
		"NOT (a = :s OR n = :n)":          false,
		"not NOT a = :s":                  true,
		"(a) = (:s)":                      true,
		"a=:s and(n=:n)":                  true,
	} {
		condition, err := parseCondition(expression, samplePlaceholders(t))
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		if got := condition.matches(it); got != want {
			t.Errorf("%s is %t, want %t", expression, got, want)
		}
	}
}

func TestConditionMistakes(t *testing.T) {
	for expression, want := range map[string]string{
		"a":                        `Syntax error; token: "<EOF>", near: "a"`,
		"a = ":                     `Syntax error; token: "<EOF>", near: "= "`,
		"a == :s":                  `Syntax error; token: "=", near: "== :s"`,
		"a = :s b":                 `Syntax error; token: "b", near: ":s b"`,
		"a = :s AND":               `Syntax error; token: "<EOF>", near: "AND"`,
		"a ! b":                    `Syntax error; token: "!", near: "a ! b"`,
		"(a = :s":                  `Syntax error; token: "<EOF>", near: ":s"`,
		"a = :s)":                  `Syntax error; token: ")", near: ":s)"`,
		"a IN ()":                  `Syntax error; token: ")", near: "()"`,
		"a BETWEEN :n OR :n":       `Syntax error; token: "OR", near: ":n OR :n"`,
		"a[x] = :s":                `Syntax error; token: "x", near: "[x]"`,
		"a. = :s":                  `Syntax error; token: "=", near: ". = :s"`,
		"a = :":                    `Syntax error; token: ":", near: "= :"`,
		"a = (b = :s)":             `Syntax error; token: "<EOF>", near: ")"`,
		"a AND b = :s":             `Syntax error; token: "b", near: "AND b ="`,
		"a = :none":                "An expression attribute value used in expression is not defined; attribute value: :none",
		"#none = :s":               "An expression attribute name used in the document path is not defined; attribute name: #none",
		"status = :s":              "Attribute name is a reserved keyword; reserved keyword: status",
		"a.Status = :s":            "Attribute name is a reserved keyword; reserved keyword: Status",
		"((a = :s))":               "The expression has redundant parentheses;",
		"((a)) = :s":               "The expression has redundant parentheses;",
		"exists(a)":                "Invalid function name; function: exists",
		"Attribute_Exists(a)":      "Invalid function name; function: Attribute_Exists",
		"attribute_exists(a, b)":   "Incorrect number of operands for operator or function; operator or function: attribute_exists, number of operands: 2",
		"attribute_exists(:s)":     "Operator or function requires a document path; operator or function: attribute_exists",
		"attribute_type(a, b)":     "Incorrect operand type for operator or function; operator or function: attribute_type, operand type: {NS,SS,L,BS,N,M,B,BOOL,NULL,S}",
		"attribute_type(a, :n)":    "Incorrect operand type for operator or function; operator or function: attribute_type, operand type: N",
		"attribute_type(a, :s)":    "Invalid attribute type name found; type: a, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
		"begins_with(a, :n)":       "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N",
		"begins_with(a, size(b))":  "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N",
		"size(:n) = :n":            "Incorrect operand type for operator or function; operator or function: size, operand type: N",
		"size(a)":                  "The function is not allowed to be used this way in an expression; function: size",
		"contains(a, :s) = :t":     "The function is not allowed to be used this way in an expression; function: contains",
		"a = a":                    "The first operand must be distinct from the remaining operands for this operator or function; operator: =, first operand: [a]",
		"contains(m.y[0], m.y[0])": "The first operand must be distinct from the remaining operands for this operator or function; operator: contains, first operand: [m, y, [0]]",
		"a < :t":                   "Incorrect operand type for operator or function; operator: <, operand type: BOOL",
		"a BETWEEN :n AND :one":    "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: {N:5}, upper bound operand: AttributeValue: {N:1}",
		"a BETWEEN :n AND :s":      "The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: AttributeValue: {N:5}, upper bound operand: AttributeValue: {S:a}",
		"a IN (:s" + strings.Repeat(", :s", 100) + ")": "The IN operator is provided with too many operands; number of operands: 101",
		"a[99999999999999999999] = :s":                 "List index is not within the allowable range; index: [99999999999999999999]",
	} {
		_, err := parseCondition(expression, samplePlaceholders(t))
		if err == nil || err.Error() != want {
			t.Errorf("%s\n got %v\nwant %s", expression, err, want)
		}
	}
}

func TestUpdates(t *testing.T) {
	const before = `{"id":{"S":"1"},"n":{"N":"5"},"s":{"SS":["a","b"]},"l":{"L":[{"S":"0"},{"S":"1"},{"S":"2"}]},"m":{"M":{"x":{"N":"1"},"l":{"L":[{"M":{"y":{"S":"deep"}}}]}}}}`
	for expression, changes := range map[string]string{
		"SET a = :s":                                    `{"a":{"S":"a"}}`,
		"set a = :s, b = :n remove n":                   `{"a":{"S":"a"},"b":{"N":"5"},"n":null}`,
		"SET n = n + :one":                              `{"n":{"N":"6"}}`,
		"SET n = :one - n":                              `{"n":{"N":"-4"}}`,
		"SET n = (n + :one)":                            `{"n":{"N":"6"}}`,
		"SET a = if_not_exists(a, :s)":                  `{"a":{"S":"a"}}`,
		"SET n = if_not_exists(n, :s)":                  `{}`,
		"SET c = if_not_exists(c, :one) + :one":         `{"c":{"N":"2"}}`,
		"SET a = n, n = :s":                             `{"a":{"N":"5"},"n":{"S":"a"}}`, // operands are those before the update
		"SET l = list_append(l, :l)":                    `{"l":{"L":[{"S":"0"},{"S":"1"},{"S":"2"},{"S":"x"},{"M":{"y":{"N":"1"}}}]}}`,
		"SET a = list_append(if_not_exists(a, :l), :l)": `{"a":{"L":[{"S":"x"},{"M":{"y":{"N":"1"}}},{"S":"x"},{"M":{"y":{"N":"1"}}}]}}`,
		"SET l[1] = :s":                                 `{"l":{"L":[{"S":"0"},{"S":"a"},{"S":"2"}]}}`,
		"SET l[9] = :s, l[7] = :n":                      `{"l":{"L":[{"S":"0"},{"S":"1"},{"S":"2"},{"N":"5"},{"S":"a"}]}}`,
		"REMOVE l[0], l[2]":                             `{"l":{"L":[{"S":"1"}]}}`, // indexes are those before the update
		"SET l[2] = :s REMOVE l[0]":                     `{"l":{"L":[{"S":"1"},{"S":"a"}]}}`,
		"REMOVE l[9]":                                   `{}`,
		"REMOVE absent":                                 `{}`,
		"SET m.x = :s, m.l[0].y = :n":                   `{"m":{"M":{"x":{"S":"a"},"l":{"L":[{"M":{"y":{"N":"5"}}}]}}}}`,
		"REMOVE m.l[0].y":                               `{"m":{"M":{"x":{"N":"1"},"l":{"L":[{"M":{}}]}}}}`,
		"SET m.#d = :s":                                 `{"m":{"M":{"x":{"N":"1"},"with.dot":{"S":"a"},"l":{"L":[{"M":{"y":{"S":"deep"}}}]}}}}`,
		"ADD n :n, c :one":                              `{"n":{"N":"10"},"c":{"N":"1"}}`,
		"ADD s :ss, t :ss":                              `{"t":{"SS":["a","b"]}}`,
		"ADD m.x :one":                                  `{"m":{"M":{"x":{"N":"2"},"l":{"L":[{"M":{"y":{"S":"deep"}}}]}}}}`,
		"DELETE s :ss":                                  `{"s":null}`,
		"DELETE absent :ss":                             `{}`,
	} {
		u, err := parseUpdate(expression, samplePlaceholders(t))
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		old := parseItem(t, before)
		got, err := u.apply(old)
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		var edits map[string]*value
		if err := json.Unmarshal([]byte(changes), &edits); err != nil {
			t.Fatal(err)
		}
		want := parseItem(t, before)
		for name, edit := range edits {
			delete(want, name)
			if edit != nil {
				want[name] = *edit
			}
		}
		wantEqualItems(t, expression, got, want)
		wantEqualItems(t, expression+" changed the item it started from", old, parseItem(t, before))
	}
}

func wantEqualItems(t testing.TB, what string, got, want item) {
	t.Helper()
	if !(value{kind: kindM, fields: got}).equal(value{kind: kindM, fields: want}) {
		t.Errorf("%s\n got %s\nwant %s", what, got.appendJSON(nil), want.appendJSON(nil))
	}
}

func TestUpdateMistakes(t *testing.T) {
	it := parseItem(t, `{"id":{"S":"1"},"n":{"N":"5"},"s":{"SS":["a","b"]},"l":{"L":[]},"m":{"M":{"x":{"N":"1"}}}}`)
	for expression, want := range map[string]string{
		"a = :s":                        `Syntax error; token: "a", near: "a ="`,
		"SET":                           `Syntax error; token: "<EOF>", near: "SET"`,
		"SET a :s":                      `Syntax error; token: ":s", near: "a :s"`,
		"SET a = :s,":                   `Syntax error; token: "<EOF>", near: ","`,
		"SET a = :n + :n + :n":          `Syntax error; token: "+", near: ":n + :n"`,
		"ADD a b":                       `Syntax error; token: "b", near: "a b"`,
		"REMOVE a = :s":                 `Syntax error; token: "=", near: "a = :s"`,
		"SET a = :s SET b = :s":         `The "SET" section can only be used once in an update expression;`,
		"SET a = :s, a = :n":            "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path two: [a]",
		"SET a = :s REMOVE a.b":         "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path two: [a, b]",
		"SET a.b = :s, a[0] = :s":       "Two document paths conflict with each other; must remove or rewrite one of these paths; path one: [a, b], path two: [a, [0]]",
		"SET value = :s":                "Attribute name is a reserved keyword; reserved keyword: value",
		"SET a = upper(b)":              "Invalid function name; function: upper",
		"SET a = attribute_exists(b)":   "Invalid function name; function: attribute_exists",
		"SET a = if_not_exists(:s, :s)": "Operator or function requires a document path; operator or function: if_not_exists",
		"SET a = list_append(a)":        "Incorrect number of operands for operator or function; operator or function: list_append, number of operands: 1",
		"SET a = list_append(a, :s)":    "Incorrect operand type for operator or function; operator or function: list_append, operand type: S",
		"SET a = b + :s":                "Incorrect operand type for operator or function; operator or function: +, operand type: S",
		"ADD a :s":                      "Incorrect operand type for operator or function; operator: ADD, operand type: STRING, typeSet: ALLOWED_FOR_ADD_OPERAND",
		"DELETE a :n":                   "Incorrect operand type for operator or function; operator: DELETE, operand type: NUMBER, typeSet: ALLOWED_FOR_DELETE_OPERAND",
		"SET a = :none":                 "An expression attribute value used in expression is not defined; attribute value: :none",
		"SET a = absent":                "The provided expression refers to an attribute that does not exist in the item",
		"SET a.b = :s":                  "The document path provided in the update expression is invalid for update",
		"SET l.b = :s":                  "The document path provided in the update expression is invalid for update",
		"SET m[0] = :s":                 "The document path provided in the update expression is invalid for update",
		"SET l[0].x = :s":               "The document path provided in the update expression is invalid for update",
		"REMOVE a.b":                    "The document path provided in the update expression is invalid for update",
		"SET a = s + :one":              "An operand in the update expression has an incorrect data type",
		"SET a = list_append(n, :l)":    "An operand in the update expression has an incorrect data type",
		"ADD s :one":                    "An operand in the update expression has an incorrect data type",
		"ADD s :ns":                     "An operand in the update expression has an incorrect data type",
		"DELETE n :ss":                  "An operand in the update expression has an incorrect data type",
		"SET n = :big + :one":           "",
		"SET n = :big + :n":             "Attempting to store more than 38 significant digits in a Number",
	} {
		u, err := parseUpdate(expression, samplePlaceholders(t))
		if err == nil {
			_, err = u.apply(it)
		}
		got := ""
		if err != nil {
			got = strings.TrimPrefix(err.Error(), codeValidation+": ")
		}
		if got != want {
			t.Errorf("%s\n got %s\nwant %s", expression, got, want)
		}
	}
}

func TestProjections(t *testing.T) {
	it := parseItem(t, sampleItem)
	for expression, want := range map[string]string{
		"a, #d":                              `{"a":{"S":"a"},"with.dot":{"S":"outer"}}`,
		"m.#d":                               `{"m":{"M":{"with.dot":{"S":"inner"}}}}`,
		"l[2], l[0]":                         `{"l":{"L":[{"S":"x"},{"L":[{"N":"7"}]}]}}`,
		"l[1].y, m.y[0]":                     `{"l":{"L":[{"M":{"y":{"N":"1"}}}]},"m":{"M":{"y":{"L":[{"N":"1"}]}}}}`,
		"absent, m.nothing, l[9], a.b, n[0]": `{}`,
	} {
		p, err := parseProjection(expression, samplePlaceholders(t))
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		wantEqualItems(t, expression, p.of(it), parseItem(t, want))
	}
	for expression, want := range map[string]string{
		"a,":     `Syntax error; token: "<EOF>", near: ","`,
		"a b":    `Syntax error; token: "b", near: "a b"`,
		":s":     `Syntax error; token: ":s", near: ":s"`,
		"a, a.b": "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path two: [a, b]",
		"name":   "Attribute name is a reserved keyword; reserved keyword: name",
		"#none":  "An expression attribute name used in the document path is not defined; attribute name: #none",
	} {
		if _, err := parseProjection(expression, samplePlaceholders(t)); err == nil || err.Error() != want {
			t.Errorf("%s\n got %v\nwant %s", expression, err, want)
		}
	}
}

func TestPlaceholderChecks(t *testing.T) {
	text := func(s string) *string { return &s }
	one := map[string]value{":v": {kind: kindS, text: "x"}}
	for name, tt := range map[string]struct {
		set  expressionSet
		want string
	}{
		"names without expressions":     {expressionSet{Names: map[string]string{"#a": "a"}}, "ExpressionAttributeNames can only be specified when using expressions"},
		"values without expressions":    {expressionSet{Values: one}, "ExpressionAttributeValues can only be specified when using expressions: ConditionExpression is null"},
		"no names":                      {expressionSet{Condition: text("a = :v"), Names: map[string]string{}, Values: one}, "ExpressionAttributeNames must not be empty"},
		"no values":                     {expressionSet{Condition: text("a = :v"), Values: map[string]value{}}, "ExpressionAttributeValues must not be empty"},
		"a bad name":                    {expressionSet{Condition: text("a = :v"), Names: map[string]string{"a": "a"}, Values: one}, `ExpressionAttributeNames contains invalid key: Syntax error; key: "a"`},
		"a bad value name":              {expressionSet{Condition: text("a = :v"), Values: map[string]value{":v-w": {}}}, `ExpressionAttributeValues contains invalid key: Syntax error; key: ":v-w"`},
		"a bad value":                   {expressionSet{Condition: text("a = :v"), Values: map[string]value{":v": readNumber("x")}}, "ExpressionAttributeValues contains invalid value: The parameter cannot be converted to a numeric value: x for key :v"},
		"an unused name":                {expressionSet{Condition: text("a = :v"), Names: map[string]string{"#b": "b", "#a": "a"}, Values: one}, "Value provided in ExpressionAttributeNames unused in expressions: keys: {#a, #b}"},
		"an unused value":               {expressionSet{Condition: text("attribute_exists(a)"), Values: one}, "Value provided in ExpressionAttributeValues unused in expressions: keys: {:v}"},
		"an empty expression":           {expressionSet{Condition: text("")}, "Invalid ConditionExpression: The expression can not be empty;"},
		"a long expression":             {expressionSet{Condition: text(strings.Repeat(" ", 4097))}, "Invalid ConditionExpression: Expression size has exceeded the maximum allowed size; expression size: 4097"},
		"an expression of another call": {expressionSet{Filter: text("nonsense =")}, ""},
	} {
		_, err := tt.set.parse("ConditionExpression")
		got := ""
		if err != nil {
			got = strings.TrimPrefix(err.Error(), codeValidation+": ")
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// FuzzExpressions looks for expressions that crash the parser or the evaluation, or that change the item they look at.
func FuzzExpressions(f *testing.F) {
	for _, seed := range []string{
		"a = :s AND NOT (n < :n OR size(l) IN (:one, :n))", "n BETWEEN :one AND :n", "attribute_type(m.y[0], :S)", "begins_with(#d, :s)", "((a = :s))",
		"SET a = :s, l[9] = list_append(l, :l) REMOVE m.y, l[0] ADD n :n DELETE ss :ss", "SET n = if_not_exists(x, :one) - n", "SET m.y[0] = (n + :n)",
		"a, m.y[0], l[1].y, #d", "contains(a, :s) OR contains(l, :one)", "a = = :s", "#", ":", "[[[", "(((((((", "a[99999999999999999999]", "NOT", "SET SET", "é = :s",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, expression string) {
		it := parseItem(t, sampleItem)
		before := string(it.appendJSON(nil))
		if condition, err := parseCondition(expression, samplePlaceholders(t)); err == nil {
			condition.matches(it)
			if conditions, err := keyConditionsOf(condition); err == nil {
				checkKeyConditions(t, conditions)
			}
		}
		if p, err := parseProjection(expression, samplePlaceholders(t)); err == nil {
			if picked := p.of(it); picked.size() > it.size() {
				t.Errorf("%q projects more than there is: %s", expression, picked.appendJSON(nil))
			}
		}
		if u, err := parseUpdate(expression, samplePlaceholders(t)); err == nil {
			if updated, err := u.apply(it); err == nil {
				if err := updated.validate(); err != nil {
					t.Errorf("%q made an item that is refused: %v", expression, err)
				}
			}
		}
		if after := string(it.appendJSON(nil)); after != before {
			t.Errorf("%q changed the item it looked at:\n%s", expression, after)
		}
	})
}

// checkKeyConditions makes sure that the range of keys says the same as the conditions themselves.
func checkKeyConditions(t *testing.T, conditions keyConditions) {
	table := &table{Attributes: []attributeDefinition{{"a", "S"}, {"n", "N"}}, Keys: schema{{"a", "HASH"}, {"n", "RANGE"}}}
	if conditions.check(table, table.Keys) != nil {
		return
	}
	sp := conditions.span(table, nil, table.Keys)
	for _, n := range []string{"-1e125", "-5.5", "-5", "0", "1", "1.5", "5", "5.000000001", "1e125"} {
		it := item{"a": conditions["a"].operands[0], "n": readNumber(n)}
		key := string(table.itemKey(it))
		c, limited := conditions["n"]
		if got, want := key >= string(sp.low) && key < string(sp.high), !limited || c.holds(it["n"]); got != want {
			t.Errorf("%s %s %v: in the range of keys is %t, want %t", n, c.comparator, c.operands, got, want)
		}
	}
}

// FuzzItems looks for JSON that the reader takes and does not give back the same.
func FuzzItems(f *testing.F) {
	f.Add(sampleItem)
	f.Add(sampleValues)
	for _, seed := range []string{
		`{}`, `null`, `{"a":null}`, `{"a":{}}`, `{"a":{"S":"x","N":"1"}}`, `{"a":{"S":null,"N":"1"}}`, `{"a":{"X":[{"y":{}}],"S":"\ud800"}}`, `{"a":{"N":"1e5"}}`,
		`{"a":{"L":[{"M":{"":{"B":""}}}]}}`, `{"a":{"SS":["a","a"]}}`, `{"a":{"BOOL":"true"}}`, `{"a":"b"}`, `{"a":{"L":{}}}`, `[]`, `{"a":{"S":"\u0000\"\\/\b"}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var it item
		if err := json.Unmarshal([]byte(text), &it); err != nil || it.validate() != nil {
			return
		}
		encoded := it.appendJSON(nil)
		if !json.Valid(encoded) {
			t.Fatalf("%q became %q, which is no JSON", text, encoded)
		}
		wantEqualItems(t, text, parseItem(t, string(encoded)), it)
		if size, again := it.size(), parseItem(t, string(encoded)).size(); size != again {
			t.Errorf("%q has size %d, then %d", text, size, again)
		}
	})
}
