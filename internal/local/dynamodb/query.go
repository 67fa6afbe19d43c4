package dynamodb

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
)

// maxPage is how much Query and Scan look at in one call, in bytes of items before the filter.
const maxPage = 1 << 20

// readInput is Query and Scan: each has some of the members.
type readInput struct {
	common
	legacy
	expressionSet

	IndexName         *string
	Select            string
	Limit             *int64
	ConsistentRead    bool
	ExclusiveStartKey item
	ScanIndexForward  *bool  // Query
	Segment           *int64 // Scan
	TotalSegments     *int64 // Scan
}

type readOutput struct {
	Items            *[]item `json:",omitempty"`
	Count            int
	ScannedCount     int
	LastEvaluatedKey item      `json:",omitempty"`
	ConsumedCapacity *consumed `json:",omitempty"`
}

// The values of Select.
const (
	selectAll       = "ALL_ATTRIBUTES"
	selectProjected = "ALL_PROJECTED_ATTRIBUTES"
	selectSpecific  = "SPECIFIC_ATTRIBUTES"
	selectCount     = "COUNT"
)

const maxSegments = 1_000_000

func (in *readInput) check() error {
	if err := in.legacy.check(); err != nil {
		return err
	}
	var v violations
	v.oneOf(in.Select, "select", selectSpecific, selectCount, selectAll, selectProjected)
	if in.IndexName != nil {
		v.name(*in.IndexName, "indexName")
	}
	v.atLeast(in.TotalSegments, 1, "totalSegments")
	if in.TotalSegments != nil {
		v.check(*in.TotalSegments <= maxSegments, fmt.Sprintf("'%d'", *in.TotalSegments), "totalSegments", "Member must have value less than or equal to 1000000")
	}
	in.violations(&v)
	v.atLeast(in.Segment, 0, "segment")
	v.atLeast(in.Limit, 1, "limit")
	if err := v.err(); err != nil {
		return err
	}
	return in.checkStartKey()
}

// checkStartKey checks the values; only some of the messages get the preamble.
func (in *readInput) checkStartKey() error {
	err := in.ExclusiveStartKey.validate()
	if err == nil {
		return nil
	}
	reason := strings.TrimPrefix(err.Error(), codeValidation+": ")
	for _, part := range []string{"contains duplicates", "number set", "numeric value", "significant digits", "number with magnitude"} {
		if strings.Contains(reason, part) {
			return err
		}
	}
	return validationError("The provided starting key is invalid: %s", reason)
}

// checkSelect checks Select against the other parameters; preamble begins Query's messages.
func (in *readInput) checkSelect(preamble string) error {
	projects := in.Projection != nil
	switch {
	case in.Select == selectProjected && in.IndexName == nil:
		return validationError("%sALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName", preamble)
	case in.Select == selectSpecific && !projects:
		return validationError("%sMust specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES", preamble)
	case in.Select == selectCount && projects:
		return validationError("%sCannot specify the ProjectionExpression when choosing to get only the Count", preamble)
	case in.Select != "" && in.Select != selectSpecific && projects:
		return validationError("%sCannot specify the ProjectionExpression when choosing to get %s", preamble, in.Select)
	}
	return nil
}

// reading is a Query or Scan with its table.
type reading struct {
	in          *readInput
	table       *table
	index       *index // nil for the table itself
	keys        schema // of the index or the table
	expressions *expressions
	span        span
	whole       bool // read whole items although the index does not project all attributes
}

// begin resolves the names of table and index.
func (s *Server) begin(in *readInput, x *expressions) (*reading, error) {
	t := s.store.table(in.TableName)
	if t == nil {
		return nil, noTable()
	}
	rd := &reading{in: in, table: t, keys: t.Keys, expressions: x, whole: in.IndexName == nil}
	if in.IndexName != nil {
		rd.index = t.index(*in.IndexName)
		switch {
		case rd.index == nil:
			return nil, validationError("The table does not have the specified index: %s", *in.IndexName)
		case rd.index.Global && in.ConsistentRead:
			return nil, validationError("Consistent reads are not supported on global secondary indexes")
		}
		rd.keys = rd.index.Keys
	}
	return rd, nil
}

// checkAttributes checks which attributes the reading wants against what the index has.
func (rd *reading) checkAttributes() error {
	if err := rd.table.checkProjection(rd.expressions.projection); err != nil {
		return err
	}
	ix := rd.index
	if ix == nil || ix.Projection.ProjectionType == "ALL" {
		return nil
	}
	if rd.in.Select == selectAll {
		if ix.Global {
			return invalidParameter("Select type ALL_ATTRIBUTES is not supported for global secondary index %s because its projection type is not ALL", ix.Name)
		}
		rd.whole = true
	}
	var missing []string
	if p := rd.expressions.projection; p != nil {
		for _, path := range p.paths {
			if !rd.table.projects(ix, path.head()) {
				missing = append(missing, path.head())
			}
		}
	}
	if len(missing) > 0 && ix.Global {
		return invalidParameter("Global secondary index %s does not project [%s]", ix.Name, strings.Join(missing, ", "))
	}
	rd.whole = rd.whole || len(missing) > 0
	return nil
}

// checkFilter checks the filter's paths.
func (rd *reading) checkFilter() error {
	return rd.table.checkKeyPaths(rd.expressions.filter.paths)
}

func (s *Server) query(ctx context.Context, in *readInput) (*readOutput, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	if err := in.checkSelect("1 validation error detected: "); err != nil {
		return nil, err
	}
	if in.KeyPart == nil {
		return nil, validationError("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
	}
	x, err := in.parse("ProjectionExpression", "FilterExpression", "KeyConditionExpression")
	if err != nil {
		return nil, err
	}
	conditions, err := keyConditionsOf(x.key)
	if err != nil {
		return nil, err
	}
	rd, err := s.begin(in, x)
	if err != nil {
		return nil, err
	}
	if err := rd.planQuery(conditions); err != nil {
		return nil, err
	}
	return s.page(ctx, rd)
}

func (rd *reading) planQuery(conditions keyConditions) error {
	start := rd.in.ExclusiveStartKey
	if err := rd.checkStart(); err != nil {
		return err
	}
	if err := conditions.check(rd.table, rd.keys); err != nil {
		return err
	}
	if start != nil {
		if err := rd.checkStartMatches(conditions); err != nil {
			return err
		}
	}
	if err := rd.checkQueryFilter(); err != nil {
		return err
	}
	if err := rd.checkAttributes(); err != nil {
		return err
	}
	if err := rd.checkFilter(); err != nil {
		return err
	}
	rd.span = conditions.span(rd.table, rd.index, rd.keys)
	rd.span.backward = rd.in.ScanIndexForward != nil && !*rd.in.ScanIndexForward
	rd.goOn()
	return nil
}

// checkStart checks ExclusiveStartKey against table and index.
func (rd *reading) checkStart() error {
	start := rd.in.ExclusiveStartKey
	if start == nil {
		return nil
	}
	if len(start) != len(rd.table.startKey(rd.index)) {
		return validationError("The provided starting key is invalid")
	}
	for _, name := range rd.keys.names() {
		if start[name].kind == kindNone {
			return validationError("The provided starting key is invalid")
		}
	}
	if err := rd.table.checkKeyParts(start, rd.keys); err != nil {
		return err
	}
	if err := rd.table.checkKeyParts(start, rd.table.Keys); err != nil {
		return validationError("The provided starting key is invalid: %s", strings.TrimPrefix(err.Error(), codeValidation+": "))
	}
	return nil
}

func (rd *reading) checkStartMatches(conditions keyConditions) error {
	start := rd.in.ExclusiveStartKey
	sameHash := conditions[rd.keys.hash()].holds(start[rd.keys.hash()])
	c, found := conditions[rd.keys.sortKey()]
	switch {
	case !found && !sameHash:
		return validationError("The provided starting key is outside query boundaries based on provided conditions")
	case found && !c.holds(start[rd.keys.sortKey()]):
		return validationError("The provided starting key does not match the range key predicate")
	case found && !sameHash:
		return validationError("The query can return at most one row and cannot be restarted")
	}
	return nil
}

// checkQueryFilter refuses a filter on key attributes: those belong into the key condition.
func (rd *reading) checkQueryFilter() error {
	var err error
	rd.expressions.filter.paths(func(p path) {
		if err == nil && rd.keys.has(p.head()) {
			err = validationError("Filter Expression can only contain non-primary key attributes: Primary key attribute: %s", p.head())
		}
	})
	return err
}

// goOn makes the span begin after ExclusiveStartKey.
func (rd *reading) goOn() {
	start := rd.in.ExclusiveStartKey
	if start == nil {
		return
	}
	key := rd.table.itemKey(start)
	if rd.index != nil {
		key = rd.table.entryKey(rd.index, start, key)
	}
	if rd.span.backward {
		rd.span.high = key
		return
	}
	rd.span.low = append(slices.Clone(key), 0)
}

func (s *Server) scan(ctx context.Context, in *readInput) (*readOutput, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	if err := in.checkSelect(""); err != nil {
		return nil, err
	}
	if err := in.checkSegments(); err != nil {
		return nil, err
	}
	x, err := in.parse("ProjectionExpression", "FilterExpression")
	if err != nil {
		return nil, err
	}
	rd, err := s.begin(in, x)
	if err != nil {
		return nil, err
	}
	if err := rd.planScan(); err != nil {
		return nil, err
	}
	return s.page(ctx, rd)
}

func (in *readInput) checkSegments() error {
	switch {
	case in.Segment != nil && in.TotalSegments == nil:
		return validationError("The TotalSegments parameter is required but was not present in the request when Segment parameter is present")
	case in.Segment == nil && in.TotalSegments != nil:
		return validationError("The Segment parameter is required but was not present in the request when parameter TotalSegments is present")
	case in.Segment != nil && *in.Segment >= *in.TotalSegments:
		return validationError("The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: %d is not less than TotalSegments: %d", *in.Segment, *in.TotalSegments)
	}
	return nil
}

func (rd *reading) planScan() error {
	start := rd.in.ExclusiveStartKey
	if start != nil && rd.index == nil && len(start) != len(rd.keys) {
		return validationError("The provided starting key is invalid: The provided key element does not match the schema")
	}
	if start != nil && rd.index == nil {
		if err := rd.table.checkKey(start); err != nil {
			return validationError("The provided starting key is invalid: %s", strings.TrimPrefix(err.Error(), codeValidation+": "))
		}
	}
	if err := rd.checkStart(); err != nil {
		return err
	}
	if err := rd.checkAttributes(); err != nil {
		return err
	}
	if err := rd.checkFilter(); err != nil {
		return err
	}
	rd.span = span{table: rd.table, index: rd.index, low: []byte{}, high: maxKey}
	if rd.in.TotalSegments != nil {
		rd.span.low, rd.span.high = segment(*rd.in.Segment, *rd.in.TotalSegments)
	}
	low, high := rd.span.low, rd.span.high
	rd.goOn()
	if bytes.Compare(rd.span.low, low) < 0 || bytes.Compare(rd.span.low, high) > 0 {
		return validationError("The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct Segment. TotalSegments: %d Segment: %d",
			deref(rd.in.TotalSegments), deref(rd.in.Segment))
	}
	return nil
}

// segment is the range of slots that one segment of a parallel Scan reads: slots are divided by their first 12 bits.
func segment(n, total int64) (low, high []byte) {
	const slots = 1 << 12
	bound := func(n int64) []byte {
		at := (slots*n + total - 1) / total
		if at == slots {
			return maxKey
		}
		return []byte{byte(at >> 4), byte(at << 4)} // at has 12 bits
	}
	return bound(n), bound(n + 1)
}

// page reads one page. Limit and the size of a page count items before the filter. Like the service, it does not
// look whether anything follows a full page, and so the last LastEvaluatedKey may lead to an empty one.
func (s *Server) page(ctx context.Context, rd *reading) (*readOutput, error) {
	items := []item{}
	out := &readOutput{}
	var last item
	total, full := 0, false
	err := s.store.scan(ctx, rd.span, func(it item) bool {
		out.ScannedCount++
		last = it
		seen := it
		if !rd.whole {
			seen = rd.table.project(rd.index, it)
		}
		total += seen.size()
		if rd.expressions.filter.matches(seen) {
			out.Count++
			items = append(items, rd.expressions.projection.of(seen))
		}
		full = total >= maxPage || rd.in.Limit != nil && int64(out.ScannedCount) >= *rd.in.Limit
		return !full
	})
	if err != nil {
		return nil, err
	}
	if full {
		out.LastEvaluatedKey = last.pick(rd.table.startKey(rd.index))
	}
	if rd.in.Select != selectCount {
		out.Items = &items
	}
	c := newConsumed(rd.in.TableName)
	if n := readUnits(total, rd.in.ConsistentRead); rd.index != nil {
		c.addIndex(rd.index, n)
	} else {
		c.addTable(n)
	}
	out.ConsumedCapacity = c.report(rd.in.ReturnConsumedCapacity)
	return out, nil
}
