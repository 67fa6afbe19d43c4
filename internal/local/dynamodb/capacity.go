package dynamodb

// Capacity units (developer guide, "DynamoDB read and write operations"): a write unit is 1 KB, a read unit 4 KB
// read consistently or 8 KB read eventually consistently; transactions cost twice.
const (
	writeUnit = 1024
	readUnit  = 4096
)

type units struct {
	CapacityUnits      float64
	ReadCapacityUnits  float64 `json:",omitempty"`
	WriteCapacityUnits float64 `json:",omitempty"`
}

// consumed is a ConsumedCapacity.
type consumed struct {
	units

	TableName              string
	Table                  *units           `json:",omitempty"`
	LocalSecondaryIndexes  map[string]units `json:",omitempty"`
	GlobalSecondaryIndexes map[string]units `json:",omitempty"`
}

func newConsumed(tableName string) *consumed {
	return &consumed{TableName: tableName, Table: &units{}}
}

func ceilUnits(size, unit int) float64 { return float64((size + unit - 1) / unit) }

// addTable counts units of the table itself, addIndex of one of its indexes.
func (c *consumed) addTable(n float64) {
	c.CapacityUnits += n
	c.Table.CapacityUnits += n
}

func (c *consumed) addIndex(ix *index, n float64) {
	c.CapacityUnits += n
	indexes := &c.LocalSecondaryIndexes
	if ix.Global {
		indexes = &c.GlobalSecondaryIndexes
	}
	if *indexes == nil {
		*indexes = map[string]units{}
	}
	(*indexes)[ix.Name] = units{CapacityUnits: (*indexes)[ix.Name].CapacityUnits + n}
}

// addWrite counts a write: the larger of the item before and after, and each index entry put in or taken out.
func (c *consumed) addWrite(m mutation, factor float64) {
	c.addTable(factor * max(1, ceilUnits(m.old.size(), writeUnit), ceilUnits(m.new.size(), writeUnit)))
	for _, change := range m.entryChanges() {
		if change.old != nil {
			c.addIndex(change.index, factor*max(1, ceilUnits(m.table.project(change.index, m.old).size(), writeUnit)))
		}
		if change.new != nil {
			c.addIndex(change.index, factor*max(1, ceilUnits(m.table.project(change.index, m.new).size(), writeUnit)))
		}
	}
}

// readUnits is the cost of reading size bytes.
func readUnits(size int, consistent bool) float64 {
	n := max(1, ceilUnits(size, readUnit))
	if consistent {
		return n
	}
	return n / 2
}

// report is c as ReturnConsumedCapacity asks for it; nil for NONE.
func (c *consumed) report(wanted string) *consumed {
	switch wanted {
	case "INDEXES":
		return c
	case "TOTAL":
		return &consumed{TableName: c.TableName, units: c.units}
	}
	return nil
}

// consumptions is the capacity of a call on several tables, in the order the tables came.
type consumptions []*consumed

func (cs *consumptions) of(tableName string) *consumed {
	for _, c := range *cs {
		if c.TableName == tableName {
			return c
		}
	}
	c := newConsumed(tableName)
	*cs = append(*cs, c)
	return c
}

func (cs consumptions) report(wanted string) []*consumed {
	var reported []*consumed
	for _, c := range cs {
		if r := c.report(wanted); r != nil {
			reported = append(reported, r)
		}
	}
	return reported
}
