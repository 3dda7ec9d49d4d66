# A part of _core.pyx: the compiled tables.

_STRATEGIES = {"span": MS_STRATEGY_SPAN, "program": MS_STRATEGY_PROGRAM, "confirm": MS_STRATEGY_CONFIRM}
_RUNS = {None: MS_SHAPE_NO_RUN, "lazy": MS_SHAPE_LAZY, "greedy": MS_SHAPE_GREEDY}
_MATCHES = {"all": MS_MATCHES_ALL, "first": MS_MATCHES_FIRST, "last": MS_MATCHES_LAST}
# Translates a class's table of bytes to the table of the bytes that are no members.
_NO_MEMBER = bytes(takes != MS_MEMBER for takes in range(256))


cdef class Engine:
    """The compiled tables of a plan: immutable, shared by streams and threads.

    Parameters
    ----------
    patterns : list
        Per pattern an object whose ``strategy`` is ``"span"``, ``"program"`` or ``"confirm"``, with a ``span``, a ``program`` and
        the ``steps`` of a chain, each of them None where the pattern has none. A span that counts has a program too: it takes the
        records where bytes and characters differ in number.
    literals : list
        Objects with ``text``, ``place`` (where in the text the fingerprint lies) and ``patterns`` (those that the literal makes a
        candidate).
    groups : list
        Objects with ``first`` and ``second`` (the bytes of a fingerprint; second -1: it has one byte), ``bucket`` (of eight),
        ``window`` and ``width`` (the 0-8 bytes that distinguish the literals, from a place relative to the fingerprint) and
        ``literals`` (their indices).
    always : list of int
        Patterns without a literal.
    universal, syslog, strip : bool
        Whether ``\\r`` ends a record too; whether control characters are seen as syslog writes them; whether terminal escape
        sequences are removed.
    matches : {"all", "first", "last"}
    search : {"simd", "naive", "every"}
        The last two are for the tests: no prefilter, and every record deferred.
    max_record_bytes : int
        Longer records give no rows and are counted.
    level : str
        One of ``SIMD_LEVELS``, or ``"auto"``.
    """

    cdef ms_tables t
    cdef list keep
    cdef int64_t max_record_bytes

    def __cinit__(
        self, list patterns, list literals, list groups, list always, *,
        bint universal, bint syslog, bint strip, str matches, str search, str level,
        int64_t max_record_bytes=MS_MAX_RECORD_BYTES,
    ):
        cdef int32_t i
        if level == "auto":
            level = SIMD_LEVELS[0]
        if level not in SIMD_LEVELS:
            raise ValueError(f"SIMD level {level!r} is not available; available: {SIMD_LEVELS}")
        if search not in ("simd", "naive", "every"):
            raise ValueError(f"search {search!r}, simd, naive or every was expected")
        if not MS_PIECE_BYTES <= max_record_bytes <= MS_LONGEST_MATCHED:
            raise ValueError(f"max_record_bytes={max_record_bytes}: {MS_PIECE_BYTES} to {MS_LONGEST_MATCHED} were expected")
        self.max_record_bytes = max_record_bytes
        self.keep = []
        self.t.level = _LEVELS[level]
        ms_set_records(&self.t, universal, syslog, strip)
        self.t.matches = _MATCHES[matches]
        self.t.n_patterns = <int32_t>len(patterns)
        self.t.patterns = <ms_pattern *>zeroed(len(patterns), sizeof(ms_pattern))
        ends = {}
        for i, pattern in enumerate(patterns):
            self.take_pattern(&self.t.patterns[i], pattern, "confirm" if search == "every" else pattern.strategy, ends)
        if search != "simd":
            literals, groups = [], []
            # Python decides everything if search is "every", what the literals of companions would find too
            searched = [p.watch is not None and p.watch.is_searched and search == "naive" for p in patterns]
            always = [i for i, p in enumerate(patterns) if p.companion_of is None or searched[p.companion_of]]
        self.take_always(always)
        self.take_literals(literals)
        self.take_groups(groups)

    cdef int take_pattern(self, ms_pattern *q, pattern, strategy, dict ends) except -1:
        q.strategy = _STRATEGIES[strategy]
        q.is_label = pattern.is_label
        q.is_companion = pattern.companion_of is not None
        if q.is_companion:
            q.companion = pattern.companion_of
        q.behind = q.before = ms_no_bytes
        if pattern.watch is not None:
            self.take_watch(q, pattern.watch)
            self.t.watching = True
        if q.strategy == MS_STRATEGY_CONFIRM:
            return 0
        if pattern.program is not None:
            self.take_program(&q.program, pattern.program)
        if q.strategy == MS_STRATEGY_PROGRAM:
            if pattern.steps is not None and self.t.matches == MS_MATCHES_ALL:
                q.steps = self.held_steps(pattern.steps)
            return 0
        span = pattern.span
        q.shape = _RUNS[span.run]
        q.prefix = self.held(span.prefix)
        q.prefix_length = len(span.prefix)
        q.table = self.held_table(span.table)
        q.set = <const int32_t *>self.held(span.set)
        q.run_min = span.run_min
        q.run_max = span.run_max
        q.suffix = self.held(span.suffix)
        q.suffix_length = len(span.suffix)
        q.at_start = span.at_start
        q.at_end = span.at_end
        q.counted = span.counted
        q.value_from_run = span.value_from_run
        q.value_from = span.value_from
        q.value_to_run = span.value_to_run
        q.value_to = span.value_to
        ms_finish_span(&self.t, q)
        if ms_is_fast_greedy(q):
            if span.table not in ends:
                ends[span.table] = span.table.translate(_NO_MEMBER)
            q.ends = self.held(ends[span.table])
        return 0

    cdef int take_watch(self, ms_pattern *q, watch) except -1:
        q.has_companion, q.has_near, q.companion = True, watch.near, watch.companion
        q.has_lead = watch.near or len(watch.lead_in) > 0
        q.behind = self.held_table(watch.behind)
        if watch.before is not None:
            q.before = self.held_table(watch.before)
        q.value_starts = self.held_table(watch.value_starts)
        q.own, q.goes_on = self.held_table(watch.own), self.held_table(watch.goes_on)
        q.lead_in, q.lead_in_length, q.lead_in_blanks = self.held(watch.lead_in), len(watch.lead_in), watch.lead_in_blanks
        q.lead_out, q.lead_out_length = self.held(watch.lead_out), len(watch.lead_out)
        return 0

    cdef int take_program(self, ms_program *program, fields) except -1:
        program.code = <const int32_t *>self.held(fields.code)
        program.steps_a_byte = fields.steps_a_byte
        program.pool = self.held(fields.pool)
        program.tables = self.held(fields.tables)
        program.sets = <const int32_t *>self.held(fields.sets)
        program.set_at = <const int32_t *>self.held(fields.set_at)
        if fields.first:
            program.first = self.held_table(fields.first)
            ms_class_fill(&program.first_class, program.first, self.t.level)
        if fields.last:
            program.last = self.held_table(fields.last)
        program.only_run = fields.only_run
        program.width = fields.width
        program.ways = self.held(fields.ways)
        program.lead = fields.lead
        program.lead_class = fields.lead_class
        program.lead_text = self.held(fields.lead_text)
        program.lead_length = len(fields.lead_text)
        program.lead_ascii = fields.lead_ascii
        program.runs = fields.runs
        program.splits = fields.splits
        program.loops = fields.loops
        program.slots = fields.slots
        program.at_start = fields.at_start
        program.words = fields.words
        program.pure = fields.pure
        return 0

    cdef int take_always(self, list always) except -1:
        """Take the patterns that are tried on every record, and compute the bytes with which their matches can start."""
        cdef bytes table = bytes(256)
        cdef int32_t i, index
        self.t.n_always = <int32_t>len(always)
        self.t.always = <int32_t *>zeroed(len(always), sizeof(int32_t))
        for i, index in enumerate(always):
            self.t.always[i] = index
        if ms_starts_of_always(&self.t, <uint8_t *>self.held(table)):
            self.t.always_table = table
            ms_class_fill(&self.t.always_first, self.t.always_table, self.t.level)
        return 0

    cdef int take_literals(self, list literals) except -1:
        cdef ms_literal *to
        cdef int32_t i, use = 0
        self.t.literals = <ms_literal *>zeroed(len(literals), sizeof(ms_literal))
        self.t.uses = <int32_t *>zeroed(sum(len(literal.patterns) for literal in literals), sizeof(int32_t))
        for i, literal in enumerate(literals):
            to = &self.t.literals[i]
            to.text = self.held(literal.text)
            to.length = len(literal.text)
            to.place = literal.place
            to.first_use = use
            for pattern in literal.patterns:
                ms_add_use(&self.t, to, pattern)
            use += to.uses
        return 0

    cdef int take_groups(self, list groups) except -1:
        """Take the fingerprints, and make the entries of their literals, which lie in hash chains by their windows."""
        cdef ms_group *to
        cdef ms_entry *entry
        cdef int32_t i, member
        if len(groups) > 0xFFFE:
            raise ValueError(f"{len(groups)} fingerprints, at most 65534 were expected")
        ms_fingerprints_clear(&self.t.fingerprints, self.t.level)
        self.t.has_literals = len(groups) > 0
        self.t.find.pair_group = <uint16_t *>zeroed(65536, sizeof(uint16_t))
        self.t.find.groups = <ms_group *>zeroed(len(groups), sizeof(ms_group))
        self.t.find.only = <const ms_entry **>zeroed(len(groups) + 2, sizeof(ms_entry *))
        self.t.find.heads = <const ms_entry **>zeroed(sum(ms_heads_of(len(each.literals)) for each in groups), sizeof(ms_entry *))
        self.t.entries = <ms_entry *>zeroed(sum(len(group.literals) for group in groups), sizeof(ms_entry))
        self.t.find.only[0] = &ms_nowhere
        entry = self.t.entries
        for i, group in enumerate(groups):
            to = ms_begin_group(
                &self.t, i, group.bucket, group.first, group.second, group.window, group.width, len(group.literals)
            )
            for member in group.literals:
                ms_add_entry(&self.t, to, entry, &self.t.literals[member], group.width)
                entry += 1
            ms_finish_group(&self.t, i, entry, len(group.literals))
        ms_finish_groups(&self.t, <int32_t>len(groups))
        return 0

    cdef const ms_step *held_steps(self, steps) except NULL:
        """Copy the steps of a chain into memory that lives as long as the engine."""
        cdef bytes memory = bytes(len(steps) * sizeof(ms_step))
        cdef ms_step *to = <ms_step *>self.held(memory)
        for step in steps:
            to.kind = step.kind
            to.text = self.held(step.text)
            to.length = <int32_t>len(step.text)
            to.least = step.least
            to.most = step.most
            to += 1
        return <const ms_step *><const uint8_t *>memory

    cdef const uint8_t *held_table(self, bytes table) except NULL:
        if len(table) != 256:
            raise ValueError("a table of bytes has 256 entries")
        return self.held(table)

    cdef const uint8_t *held(self, bytes text) except NULL:
        """Return the address of the bytes, and keep them alive as long as the engine."""
        self.keep.append(text)
        return text

    def __dealloc__(self):
        ms_tables_clear(&self.t)


cdef void *zeroed(size_t count, size_t size) except NULL:
    cdef void *memory = calloc(count if count else 1, size)
    if memory == NULL:
        raise MemoryError
    return memory
