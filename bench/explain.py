"""What a statement of the product does: EXPLAIN ANALYZE of the very plan that the workers have, generic and prepared."""

import psycopg2

import peers


class Plan:
    """One execution: its nodes, what it read, and how long it took in the database."""

    def __init__(self, said):
        self.said = said
        self.root = said["Plan"]
        self.ms = said["Execution Time"]
        self.rows = self.root["Actual Rows"]
        self.nodes = list(self._below(self.root))

    def _below(self, node):
        yield node
        for child in node.get("Plans", ()):
            yield from self._below(child)

    @property
    def buffers(self):
        """Pages touched, wherever they were."""
        return self.root["Shared Hit Blocks"] + self.root["Shared Read Blocks"]

    @staticmethod
    def _read(node):
        return (node["Actual Rows"] + node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)) * node["Actual Loops"]

    def _scans(self, table=""):
        """A partition belongs to its table."""
        return [n for n in self.nodes if n.get("Relation Name", "").startswith(table) and "Relation Name" in n]

    def read(self, table=""):
        """Rows that were looked at in the tables of this name, or in all."""
        return sum(self._read(n) for n in self._scans(table))

    def probes(self, table):
        """How often an index of the table was entered."""
        return sum(n["Actual Loops"] for n in self._scans(table))

    def swept(self):
        """Tables that are read from one end to the other if this part of the plan is come to."""
        return {n["Relation Name"] for n in self._scans() if n["Node Type"] == "Seq Scan"}

    def __str__(self):
        return "\n".join(self._lines(self.root, 0))

    def _lines(self, node, depth):
        what = " ".join(str(node[k]) for k in ("Node Type", "Relation Name", "Index Name", "Subplan Name") if k in node)
        yield (f"{'  ' * depth}{what}: {node['Actual Rows']} rows, {node['Actual Loops']} loops, "
               f"{node.get('Rows Removed by Filter', 0)} removed, {node['Shared Hit Blocks'] + node['Shared Read Blocks']} pages, "
               f"{node['Actual Total Time']} ms each")
        for child in node.get("Plans", ()):
            yield from self._lines(child, depth + 1)


class Session:
    """A session like a worker's, with statements of the product prepared in it. What is explained is rolled back."""

    def __init__(self, stack, options=""):
        self.stack, self.prepared = stack, {}
        self.connection = psycopg2.connect(stack.dsn("peal"), options=f"{peers.SESSION} -c statement_timeout=60000 {options}")
        self.connection.autocommit = True
        self.cursor = self.connection.cursor()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def execute(self, name, *args):
        """The rows."""
        self.cursor.execute(*self._call("", name, args))
        return self.cursor.fetchall()

    def explain(self, name, *args):
        call = self._call("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ", name, args)
        self.cursor.execute("BEGIN")
        try:
            self.cursor.execute(*call)
            return Plan(self.cursor.fetchone()[0][0])
        finally:
            self.cursor.execute("ROLLBACK")

    def _parameters(self, name):
        if name not in self.prepared:
            statement = peers.Statement(self.stack, name)
            self.prepared[name] = [statement.TYPES[p] for p in statement.parameters]
            self.cursor.execute(f"PREPARE {name} {_listed(self.prepared[name])} AS {statement.text}")
        return self.prepared[name]

    def _call(self, before, name, args):
        types = self._parameters(name)
        if len(args) != len(types):
            raise TypeError(f"{name} takes {len(types)} parameters")
        return f"{before}EXECUTE {name} {_listed(f'%s::{t}' for t in types)}", args


def _listed(items):
    joined = ", ".join(items)
    return f"({joined})" if joined else ""
