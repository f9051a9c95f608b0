"""Database schema of pirack.db."""

MIGRATIONS = (
    (
        """
        CREATE TABLE rasps (
          stack   INTEGER NOT NULL,
          slot    INTEGER NOT NULL,
          mac     TEXT    NOT NULL UNIQUE,
          address TEXT    NOT NULL UNIQUE,
          PRIMARY KEY (stack, slot)
        ) STRICT
        """,
        """
        CREATE TABLE commanded_power (
          stack                INTEGER NOT NULL PRIMARY KEY,
          is_on                INTEGER NOT NULL CHECK (is_on IN (0, 1)),
          since                REAL    NOT NULL,
          boot_id              TEXT    NOT NULL,
          power_before_install INTEGER CHECK (power_before_install IN (0, 1))
        ) STRICT
        """,
        """
        CREATE TABLE users (
          name          TEXT NOT NULL PRIMARY KEY,
          role          TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
          password_hash TEXT NOT NULL,
          created_at    REAL NOT NULL
        ) STRICT
        """,
        """
        CREATE TABLE sessions (
          token_hash   TEXT NOT NULL PRIMARY KEY,
          user         TEXT NOT NULL,
          created_at   REAL NOT NULL,
          last_seen_at REAL NOT NULL
        ) STRICT
        """,
        """
        CREATE TABLE tokens (
          name       TEXT NOT NULL PRIMARY KEY,
          role       TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
          token_hash TEXT NOT NULL UNIQUE,
          prefix     TEXT NOT NULL,
          created_at REAL NOT NULL,
          expires_at REAL
        ) STRICT
        """,
        """
        CREATE TABLE audit (
          id             INTEGER PRIMARY KEY AUTOINCREMENT,
          time           REAL NOT NULL,
          actor          TEXT NOT NULL,
          client_address TEXT NOT NULL,
          action         TEXT NOT NULL,
          targets        TEXT NOT NULL,
          result         TEXT NOT NULL,
          detail         TEXT NOT NULL
        ) STRICT
        """,
        """
        CREATE TABLE installs (
          id              INTEGER PRIMARY KEY AUTOINCREMENT,
          kind            TEXT NOT NULL,
          strategy        TEXT NOT NULL,
          actor           TEXT NOT NULL,
          state           TEXT NOT NULL,
          started_at      REAL NOT NULL,
          finished_at     REAL,
          report          TEXT NOT NULL,
          steps           TEXT NOT NULL,
          error           TEXT NOT NULL,
          config_path     TEXT NOT NULL,
          config_written  INTEGER NOT NULL CHECK (config_written IN (0, 1)),
          previous_config TEXT,
          assignment      TEXT
        ) STRICT
        """,
        """
        CREATE TABLE orders (
          id             INTEGER NOT NULL PRIMARY KEY,
          action         TEXT    NOT NULL,
          alias          TEXT,
          scope          TEXT    NOT NULL CHECK (scope IN ('rasps', 'stacks', 'rack')),
          ids            TEXT    NOT NULL,
          force          INTEGER NOT NULL CHECK (force IN (0, 1)),
          targets        TEXT    NOT NULL,
          actor          TEXT    NOT NULL,
          client_address TEXT    NOT NULL,
          state          TEXT    NOT NULL,
          started_at     REAL    NOT NULL,
          finished_at    REAL,
          results        TEXT    NOT NULL
        ) STRICT
        """,
    ),
    (
        "CREATE TABLE identity (id TEXT NOT NULL) STRICT",
        # dhcpd.conf may contain bytes that are not UTF-8.
        "ALTER TABLE installs ADD COLUMN previous_config_bytes BLOB",
        "UPDATE installs SET previous_config_bytes = CAST(previous_config AS BLOB)",
        "ALTER TABLE installs DROP COLUMN previous_config",
        "ALTER TABLE installs RENAME COLUMN previous_config_bytes TO previous_config",
    ),
    # Until this version, `since` was in seconds since the epoch. Now it is in seconds since boot.
    ("UPDATE commanded_power SET since = 0",),
    (
        "ALTER TABLE audit ADD COLUMN count INTEGER NOT NULL DEFAULT 1",
        "ALTER TABLE audit ADD COLUMN last_time REAL",
        "UPDATE audit SET last_time = time",
    ),
    (
        "ALTER TABLE commanded_power ADD COLUMN on_again_at REAL",
        """
        CREATE TABLE power_edges (
          id                      INTEGER PRIMARY KEY AUTOINCREMENT,
          stack                   INTEGER NOT NULL,
          is_on                   INTEGER NOT NULL CHECK (is_on IN (0, 1)),
          cause                   TEXT NOT NULL,
          boot_id                 TEXT NOT NULL,
          planned_monotonic       REAL NOT NULL,
          planned_time            REAL NOT NULL,
          before_monotonic        REAL,
          before_time             REAL,
          after_monotonic         REAL,
          after_time              REAL,
          first_silence_monotonic REAL,
          first_silence_time      REAL,
          first_answer_monotonic  REAL,
          first_answer_time       REAL
        ) STRICT
        """,
        "CREATE INDEX power_edges_by_cause ON power_edges (cause, id)",
    ),
    (
        """
        CREATE TABLE runs (
          id                INTEGER NOT NULL PRIMARY KEY,
          name              TEXT    NOT NULL,
          seed              INTEGER NOT NULL,
          actor             TEXT    NOT NULL,
          state             TEXT    NOT NULL,
          started_at        REAL    NOT NULL,
          reason            TEXT    NOT NULL,
          faults_started_at REAL,
          finished_at       REAL,
          reservation       INTEGER,
          replay_of         INTEGER,
          verdict           TEXT,
          file              TEXT    NOT NULL,
          text              TEXT    NOT NULL,
          plan              TEXT    NOT NULL,
          versions          TEXT    NOT NULL,
          layout_hash       TEXT    NOT NULL
        ) STRICT
        """,
        """
        CREATE TABLE run_events (
          run       INTEGER NOT NULL,
          number    INTEGER NOT NULL,
          time      REAL    NOT NULL,
          monotonic REAL    NOT NULL,
          kind      TEXT    NOT NULL,
          text      TEXT    NOT NULL,
          fault     INTEGER,
          stack     INTEGER,
          rasp      TEXT,
          is_on     INTEGER CHECK (is_on IN (0, 1)),
          planned   REAL,
          before    REAL,
          after     REAL,
          PRIMARY KEY (run, number)
        ) STRICT
        """,
        """
        CREATE TABLE run_rates (
          run    INTEGER NOT NULL,
          second INTEGER NOT NULL,
          ok     INTEGER NOT NULL,
          fail   INTEGER NOT NULL,
          info   INTEGER NOT NULL,
          PRIMARY KEY (run, second)
        ) STRICT
        """,
    ),
    (
        """
        CREATE TABLE reservations (
          id            INTEGER PRIMARY KEY AUTOINCREMENT,
          owner         TEXT NOT NULL,
          selection     TEXT NOT NULL,
          seconds       REAL NOT NULL,
          lease_seconds REAL,
          state         TEXT NOT NULL,
          stacks        TEXT NOT NULL,
          queued_at     REAL NOT NULL,
          started_at    REAL,
          ends_at       REAL,
          end_reason    TEXT NOT NULL,
          deadline      REAL,
          boot_id       TEXT NOT NULL
        ) STRICT
        """,
        """
        CREATE TABLE quotas (
          name    TEXT    NOT NULL PRIMARY KEY,
          members TEXT    NOT NULL,
          stacks  INTEGER NOT NULL,
          seconds REAL    NOT NULL
        ) STRICT
        """,
    ),
    (
        # Until this version, each stack had one relay. Slot 0 is the outlet of a whole stack.
        "ALTER TABLE commanded_power RENAME TO stack_power",
        """
        CREATE TABLE commanded_power (
          stack                INTEGER NOT NULL,
          slot                 INTEGER NOT NULL,
          is_on                INTEGER NOT NULL CHECK (is_on IN (0, 1)),
          since                REAL    NOT NULL,
          boot_id              TEXT    NOT NULL,
          power_before_install INTEGER CHECK (power_before_install IN (0, 1)),
          on_again_at          REAL,
          PRIMARY KEY (stack, slot)
        ) STRICT
        """,
        """
        INSERT INTO commanded_power
        SELECT stack, 0, is_on, since, boot_id, power_before_install, on_again_at FROM stack_power
        """,
        "DROP TABLE stack_power",
        "ALTER TABLE power_edges ADD COLUMN slot INTEGER NOT NULL DEFAULT 0",
    ),
    ("ALTER TABLE runs ADD COLUMN energy TEXT",),
    (
        "ALTER TABLE sessions ADD COLUMN client_address TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE sessions ADD COLUMN user_agent TEXT NOT NULL DEFAULT ''",
        # Tokens of the console have no owner.
        "ALTER TABLE tokens ADD COLUMN owner TEXT",
        "ALTER TABLE tokens ADD COLUMN last_used_at REAL",
    ),
    (
        # The names of the slots of a replacement or a swap.
        "ALTER TABLE installs ADD COLUMN targets TEXT NOT NULL DEFAULT ''",
        "CREATE INDEX audit_by_time ON audit (time)",
        "CREATE INDEX power_edges_by_time ON power_edges (ifnull(after_time, planned_time))",
    ),
)
"""SQL statements of each schema version, oldest first. `PRAGMA user_version` counts them.

Append entries and never change existing ones, which existing databases have already applied.
"""
