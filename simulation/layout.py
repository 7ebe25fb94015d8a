"""The world as flat integers: what each cell of its sequences means.

Both engines run the same functions over a `World`: lists of Python integers under SimPy, int64
arrays in the compiled engine. A record (a visit, a job, a loop …) is a run of cells in one flat
sequence, and is referred to by its first cell: field F of record r lies at ``r + F``. Times are
integers of nanoseconds.
"""

from __future__ import annotations

from collections.abc import MutableSequence, Sequence
from typing import Final, NamedTuple

from simulation.event_codes import *  # noqa: F403 - kinds of events belong to the layout

NONE: Final = -1
THE_END: Final = 1 << 62  # later than anything


class World(NamedTuple):
    """Everything that a simulation changes, and the tables that it reads."""

    cells: MutableSequence[int]  # single numbers (C_*)
    visits: MutableSequence[int]  # VISIT cells each: people in the system
    marks: MutableSequence[int]  # VISIT cells each: small numbers of the same visits (M_*)
    notes: MutableSequence[int]  # VISIT cells each: more of them (N_*)
    traced: MutableSequence[int]  # VISIT cells each: what only a trace asks for (Y_*)
    jobs: MutableSequence[int]  # JOB cells each: requests, lanes, checks and mails
    cores: MutableSequence[int]  # CORE cells each: processors
    loops: MutableSequence[int]  # LOOP cells each: event loops and what hangs on them
    stations: MutableSequence[int]  # STATION cells each: what is counted of a station
    out: MutableSequence[int]  # OUT cells each: events caused, to be put on the calendar
    routes: Sequence[int]  # ROUTE cells each: how a step goes through the stations
    tables: Sequence[int]  # quantile tables, KNOTS cells each
    plan: Sequence[int]  # the itinerary's plan
    pauses: Sequence[int]  # the itinerary's pause tables
    bounds: Sequence[int]  # upper bounds of histogram buckets
    least: Sequence[int]  # where to look for a bucket
    counts: MutableSequence[int]  # latency histograms, one a step
    tallies: MutableSequence[int]  # TALLY cells a step
    offered: MutableSequence[int]  # first attempts by step and time cell
    achieved: MutableSequence[int]  # acceptances by step and time cell
    declined: MutableSequence[int]  # correct noes by step and time cell
    ends: MutableSequence[int]  # END cells a visitor: what became of everybody
    rows: MutableSequence[int]  # ROW cells an attempt, when a trace is wanted
    scaling: MutableSequence[int]  # replicas that come and go, as `replicas` has them
    followed: MutableSequence[int]  # who came to and left a state's lines, by time cell (FOLLOWED)
    lengths: MutableSequence[int]  # how many wait at the end of a time cell, by station


# ---- single numbers ------------------------------------------------------------------------------
C_SEED: Final = 0
C_STEPS: Final = 1
C_OUT: Final = 2  # events in `out`
C_HEARD: Final = 3  # the visit that heard something in this event, or NONE
C_OUTCOME: Final = 4  # what it heard
C_FREE_VISIT: Final = 5  # heads of the free lists
C_FREE_JOB: Final = 6
C_NETWORK: Final = 7  # ns one way between visitor and service
C_GENERATOR: Final = 8  # loop of the load generator, or NONE
C_SEND: Final = 9  # ns of its processor to send a request
C_RECEIVE: Final = 10  # ns to read the answer
C_WAKE: Final = 11  # ns that a sleeping loop costs to wake
C_WORKERS: Final = 12  # service loops are 0 .. C_WORKERS - 1
C_LANES: Final = 13  # lanes a worker
C_BATCH: Final = 14  # most rows in a flush
C_FLUSH_BASE: Final = 15  # loop ns a flush, and a row of it
C_FLUSH_ROW: Final = 16
C_WRITE_BASE: Final = 17  # database ns a flush, and a row of it
C_WRITE_ROW: Final = 18
C_COMMIT_TABLE: Final = 19
C_COMMITS: Final = 21  # of everybody so far: the address of a commit's draw
C_DB_FIRST: Final = 22  # the database's cores are C_DB_FIRST .. + C_DB_CORES - 1
C_DB_CORES: Final = 23
C_CAP: Final = 24  # most requests in flight a worker, 0: none
C_SHED_DELAY: Final = 25  # ns that a refusal is held back
C_SHED_COST: Final = 26  # loop ns of a refusal
C_CHECK_HEAD: Final = 27  # checks that wait for a slot
C_CHECK_TAIL: Final = 28
C_CHECK_LENGTH: Final = 29
C_REGISTRY_FREE: Final = 30  # free slots of the registry client
C_QUOTA_GAP: Final = 31  # ns between two calls at the quota, 0: none
C_QUOTA_NEXT: Final = 32
C_REGISTRY_TABLE: Final = 33
C_CHECK_CPU: Final = 34  # worker ns a check
C_ERRAND: Final = 35  # database ns of what the worker asks: a claim, a batch of marks
C_WORKER_CORE: Final = 36  # core of the worker process
C_MAIL_HEAD: Final = 37  # mails that wait for a connection
C_MAIL_TAIL: Final = 38
C_MAIL_LENGTH: Final = 39
C_MAIL_FREE: Final = 40  # free SMTP connections
C_MAIL_TABLE: Final = 41
C_MAIL_CPU: Final = 42
C_DELIVERY_TABLE: Final = 43
C_MAIL_LOSS: Final = 44  # threshold of a mail being lost
C_MISTYPED: Final = 45  # threshold of a mistyped NIK
C_POLL: Final = 46  # ns between two looks of the worker into its queues
C_EVENTS: Final = 47
C_ATTEMPTS: Final = 48
C_ROWS: Final = 49  # attempts traced
C_TRACE: Final = 50  # 1: keep rows
C_TWIN_CORE: Final = 51  # core of the twins, NONE: elsewhere
C_TWIN_MAIL: Final = 52  # twin ns a mail, and a check
C_TWIN_CHECK: Final = 53
C_OPEN: Final = 54  # people in the system
C_PEAK: Final = 55  # most people in the system
C_HORIZON: Final = 56
C_ROOM_VISITS: Final = 57  # free places, so that an engine can make room in time
C_ROOM_JOBS: Final = 58
C_BUCKETS: Final = 59
C_CELL_NS: Final = 60  # width of a time cell, and how many there are
C_TIME_CELLS: Final = 61
C_MOST_OUT: Final = 62  # no event causes more events, or takes more places, than this
C_GENERATOR_WAKE: Final = 63  # ns that the sleeping generator costs to wake
C_WORKER_LOOP: Final = 64  # loop of the worker process where it shares a core, or NONE
C_READ_TABLE: Final = 66  # what a read takes beside its CPU
C_WINDOWS: Final = 67  # where the registry's windows begin in `tables`, WINDOW cells each
C_REGISTRY_DOWN: Final = 68  # 1: the registry refuses every check
C_REGISTRY_PACE: Final = 69  # how long its answers take, in 1/1000 of the usual
C_PHOTO_TABLE: Final = 70  # how long a photo takes on the visitor's own line
C_PHOTO_LINE: Final = 71  # ns that a photo takes of the store's line
C_PHOTO_LINE_FREE: Final = 72
C_ROOM_GAP: Final = 73  # ns between two who are let in, 0: no waiting room
C_ROOM_NEXT: Final = 74
C_ATTACK_STEP: Final = 75  # the first step of attackers
C_AGENTS_FREE: Final = 76
C_CALL_HEAD: Final = 77
C_CALL_TAIL: Final = 78
C_CALL_TABLE: Final = 79  # how long an agent talks, and how long a caller waits
C_CALL_PATIENCE: Final = 80
C_JOIN_STEP: Final = 81  # who is accepted there by C_WAVE_CLOSES is in the draw, NONE: no draw
C_WAVE_CLOSES: Final = 82
C_FIRST_ATTACKER: Final = 84  # who has an index from here on attacks
C_ROWS_OF_PLAN: Final = 85  # steps of people and attackers, and the call for help
C_AGENTS: Final = 86  # agents of the shift in force, on the phone or not
C_SHIFTS: Final = 87  # where the shifts stand in `tables`: (ns after midnight, agents) each
C_SHIFT_COUNT: Final = 88
C_DAY: Final = 89  # ns of a day
C_CLOCK: Final = 90  # ns after midnight at time 0
C_CARRIED_FIRST: Final = 91  # who has an index from here on, and is no attacker, was carried over
C_CARRIED_CHECKS: Final = 92  # how many of them stand in line at the registry, and how many mails
C_CARRIED_MAILS: Final = 93
C_CHECK_AGE: Final = 94  # ns for which the first of them had waited
C_MAIL_AGE: Final = 95
C_AWAIT_STEP: Final = 96  # the steps that they are before
C_VERIFY_STEP: Final = 97
C_DRAINED_CHECKS: Final = 98  # when a line first was empty, NONE: not yet
C_DRAINED_MAILS: Final = 99
C_DRAINED_CALLS: Final = 100
C_FOLLOWS: Final = 101  # 1: lines are followed
C_LOOKS: Final = 102  # time cells whose line lengths are kept, and when the next one ends
C_LOOK_AT: Final = 103
C_STORE_LOOP: Final = 104  # the first of the database's lines where it shares cores, or NONE
C_STORE_LINES: Final = 105
C_MAIL_LOOKED: Final = 106  # when the worker last found mails, and checks
C_CHECK_LOOKED: Final = 107
# What gathers for a batch, and whether one is being written (1): by kind, MAILS and DECISIONS.
C_MARKS: Final = 108
C_DECISIONS: Final = 109
C_MARKING: Final = 110
C_DECIDING: Final = 111
C_DECISION_HEAD: Final = 112  # checks whose decisions go with the next one
C_DECISION_TAIL: Final = 113
C_FLUSHES: Final = 114  # of the write batchers
CELLS: Final = 115

# ---- a visit -------------------------------------------------------------------------------------
# Visits are most of a projection's memory: four cells of 64 bits in `visits`, and from the same
# first cell on four of 16 bits in `marks` and in `notes`; `traced` is empty without a trace.
V_WHO: Final = 0
V_INTENDED: Final = 1
V_FIRST: Final = 2  # intended start of the step's first attempt
V_WAIT: Final = 3
VISIT: Final = 4
VACANT: Final = V_WAIT  # of a place that nobody has: the next one of the free list
M_STEP: Final = 0
M_NUMBER: Final = 1
M_STATE: Final = 2
M_REFS: Final = 3  # work that still belongs to the visit
N_HAS: Final = 0  # bit k: mail k has arrived; and what the registry has said
N_DONE: Final = 1  # bit s: step s was written once
N_FATE: Final = 2  # how the visit will end, once a step has failed for good
N_ATTEMPTS: Final = 3
Y_ARRIVED: Final = 0
Y_STARTED: Final = 1

# States of a visit.
CLOSED: Final = 0
PAUSING: Final = 1
AWAITING_MAIL: Final = 2
IN_FLIGHT: Final = 3
IN_ROOM: Final = 4
ON_PHONE: Final = 5

# What the registry has said, beside the mails of N_HAS.
VERIFIED: Final = 1 << 8
MISMATCH: Final = 1 << 9

# ---- a job: a request, a lane at work, an identity check or a mail -------------------------------
J_VISIT: Final = 0  # its visit; NONE for a lane
J_WHO: Final = 1
J_STEP: Final = 2  # a mail: its kind
J_NUMBER: Final = 3
J_PHASE: Final = 4
J_NEXT: Final = 5  # link of the queue it stands in, or of the free list
J_LOOP: Final = 6  # its worker's loop
J_SINCE: Final = 7  # when it entered the queue it stands in
J_OUTCOME: Final = 8
J_STAGE: Final = 9  # an upload: which of its requests to the service
J_LEFT: Final = 10  # database ns that are left of what it asked for
JOB: Final = 11
# What a lane, or a mail, keeps where a request has its address.
F_ROWS: Final = J_WHO  # rows of its flush, linked by J_NEXT from F_HEAD
F_HEAD: Final = J_STEP
F_TAKEN: Final = J_NUMBER  # rows of the flush that it prepares meanwhile
F_TAKEN_HEAD: Final = J_OUTCOME
F_TAKEN_AT: Final = J_STAGE
MAIL_BEGUN: Final = J_OUTCOME  # when a connection took it

# Phases of a job: what its next slice is.
SENDING: Final = 0
BEFORE_AWAIT: Final = 1
AFTER_AWAIT: Final = 2
RECEIVING: Final = 3
FLUSHING: Final = 4
SHEDDING: Final = 5
CHECKING: Final = 6
MAILING: Final = 7
ASKED: Final = 8  # a request that has heard the registry
CALLING: Final = 9
TALKING: Final = 10
HUNG_UP: Final = 11
ON_CHECK: Final = 12  # the worker process, busy with a call to the registry
DECIDED_ON: Final = 13  # … with its answer
HEARING_BATCH: Final = 14  # … with the database's word that a batch is written
IN_FLUSH: Final = 15  # in the database: what the service asks for, and the worker
IN_QUERY: Final = 16
IN_CLAIM: Final = 17
IN_BATCH: Final = 18
PATIENT: Final = 19  # a caller whose patience outlasts the record

# Stages of a mail, and what a batch is of.
WRITING: Final = 0
HEARING: Final = 1
MAILS: Final = 0
DECISIONS: Final = 1

# Stages of an upload; every other request is made once.
ASKING_LEAVE: Final = 0
CONFIRMING: Final = 1

# ---- a core --------------------------------------------------------------------------------------
K_HIGH_UNTIL: Final = 0  # when the preempting work that it has is done
K_LOOP: Final = 1  # the loop whose slice it runs, or NONE
K_FINISH: Final = 2  # when that slice is done, as known so far
K_HEAD: Final = 3  # loops that wait for the core, linked by L_READY_NEXT
K_TAIL: Final = 4
K_TURN: Final = 5  # when the turn of the loop that it runs is over
CORE: Final = 6

# ---- a loop --------------------------------------------------------------------------------------
L_CORE: Final = 0
L_HEAD: Final = 1  # jobs that wait for a slice
L_TAIL: Final = 2
L_RUNNING: Final = 3  # job whose slice runs, or NONE
L_READY_NEXT: Final = 4
L_READY: Final = 5  # 1: stands in its core's queue or runs
L_ROWS_HEAD: Final = 6  # rows that wait for a flush
L_ROWS_TAIL: Final = 7
L_ROWS: Final = 8
L_LANES_FREE: Final = 9
L_POOL_FREE: Final = 10
L_POOL_HEAD: Final = 11  # jobs that wait for a connection
L_POOL_TAIL: Final = 12
L_INSIDE: Final = 13  # requests that were let in and are not answered
L_LENGTH: Final = 14  # jobs in the queue for slices
L_WAKEUPS: Final = 15
LOOP: Final = 16

# ---- what is counted of a station ----------------------------------------------------------------
S_SERVED: Final = 0
S_BUSY: Final = 1  # ns of service
S_WAITED: Final = 2  # ns of waiting
S_LENGTH: Final = 3  # waiting now
S_PEAK: Final = 4
S_DRAINED: Final = 5  # when the queue last became empty
S_LONGEST: Final = 6  # ns of the longest wait
S_LEFT: Final = 7  # left before they were served
S_WAITED_FULL: Final = 8  # how often S_WAITED was full: of a nation's hours it holds a part only
STATION: Final = 9
FULL: Final = 1 << 60  # ns

EVENT_LOOP: Final = 0
WRITE_BATCHER: Final = 1
CONNECTION_POOL: Final = 2
DATABASE: Final = 3
REGISTRY_CLIENT: Final = 4
MAIL_SENDER: Final = 5
GENERATOR: Final = 6
PHOTO_STORE: Final = 7
WAITING_ROOM: Final = 8
CALL_CENTRE: Final = 9
#: The first six are named as the service exports them; the generator is the measurement's own
#: floor; the others stand outside of the service.
STATIONS: Final = (
    "event_loop",
    "write_batcher",
    "connection_pool",
    "database",
    "registry_client",
    "mail_sender",
    "generator",
    "photo_store",
    "waiting_room",
    "call_centre",
)
STATION_COUNT: Final = len(STATIONS)

# ---- lines that a state names, followed over time ------------------------------------------------
CHECKS: Final = 0
MAIL: Final = 1
CALLS: Final = 2
LINES: Final = 3
CAME: Final = 0  # row 2 * line + CAME or WENT of `followed`, a time cell each
WENT: Final = 1
FOLLOWED: Final = 2 * LINES

# ---- how a step goes through the service ---------------------------------------------------------
R_KIND: Final = 0
R_BEFORE: Final = 1  # tables, as an offset into `tables`
R_AFTER: Final = 2
R_QUERY: Final = 3
R_MAIL: Final = 4  # mail that a write of this step causes
R_CHECK: Final = 5  # what a write of this step has to do with the registry
R_POLL: Final = 6  # 1: the answer depends on the identity check
R_SEND: Final = 7  # generator ns until a request of it is on its way
ROUTE: Final = 8

PLAIN: Final = 0  # one slice, no await
WRITE: Final = 1  # slice, batcher, slice
READ: Final = 2  # slice, pool and query, slice
UPLOAD: Final = 3  # as a read, then the photo to its store, then as a write
PHONE: Final = 4  # a call: not through the service, but to the call centre

NO_CHECK: Final = 0
QUEUED_CHECK: Final = 1  # the write queues a check
INLINE_CHECK: Final = 2  # the request asks the registry, and then writes

# ---- a window of time in which the registry is not as usual -------------------------------------
W_FROM: Final = 0
W_TO: Final = 1
W_SLOTS: Final = 2  # how many slots more (fewer: below 0) the client may use
W_PACE: Final = 3
W_DOWN: Final = 4
WINDOW: Final = 5

# ---- what became of a visitor --------------------------------------------------------------------
E_FINISH: Final = 0
E_WAIT: Final = 1
E_LAST: Final = 2  # (step << 32) | (attempts << 8) | ending, and:
ENDED_JOINED: Final = 1 << 48  # joined before the wave closed
ENDED_AWAITING_DRAW: Final = 1 << 49  # paused until the draw, and has not ended since
END: Final = 3

# ---- what is counted of a step ------------------------------------------------------------------
T_VISITS: Final = 0
T_ATTEMPTS: Final = 1
T_ACCEPTED: Final = 2
T_DECLINED: Final = 3
T_FAILED: Final = 4
TALLY: Final = 5

# ---- an attempt, when traced ---------------------------------------------------------------------
ROW: Final = 10  # visitor, step, number, arrived, intended, started, ended, outcome, status, ending

# ---- an event ------------------------------------------------------------------------------------
O_TIME: Final = 0
O_CODE: Final = 1
O_REF: Final = 2  # the record that the event is about
OUT: Final = 3


def post(w: World, time: int, code: int, ref: int) -> None:
    """Cause an event: it goes to the out-buffer, from where each engine puts it on its calendar."""
    at = w.cells[C_OUT] * OUT
    w.out[at + O_TIME] = time
    w.out[at + O_CODE] = code
    w.out[at + O_REF] = ref
    w.cells[C_OUT] = w.cells[C_OUT] + 1
