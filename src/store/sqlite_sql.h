/* SPDX-License-Identifier: MIT */
/* Every SQL statement there is: no SQL text is built at run time.
 *
 * Parameters are numbered in the order in which sqlite_shapes.c binds them. */
#ifndef STORE_SQLITE_SQL_H
#define STORE_SQLITE_SQL_H

/* What makes a file ours, and the version of the tables below.  A change of the tables raises the
 * version and adds a step that lifts the version before. */
#define STORE_SQL_APPLICATION_ID 0x4a616269 /* "Jabi" */
#define STORE_SQL_USER_VERSION   1
#define STORE_SQL_TEXT(x)        STORE_SQL_TEXT_(x)
#define STORE_SQL_TEXT_(x)       #x

/* account, kv: small rows found by their whole key, so the key's tree holds them.
 *
 * log: rows are large, and arrive for many owners in the order of time, so they are appended to one
 * tree.  log_by_id covers what ranges filter by and what counts add up, so that a search touches a
 * row only to return it; log_by_peer is for one conversation.
 *
 * space: the logs.  `last` is the highest id given, kept here only when the entry that had it is
 * gone (an append need not write here).  `lag` is the most that an entry's id has been ahead of its
 * stamp: with stamp <= id <= stamp + lag, bounds on stamps become bounds on ids. */
#define STORE_SQL_SCHEMA                                                                        \
    "CREATE TABLE account(domain BLOB NOT NULL, local BLOB NOT NULL, credential BLOB NOT NULL," \
    " flags INTEGER NOT NULL, created INTEGER NOT NULL,"                                        \
    " PRIMARY KEY(domain, local)) STRICT, WITHOUT ROWID;"                                       \
    "CREATE TABLE kv(owner BLOB NOT NULL, store BLOB NOT NULL, key BLOB NOT NULL,"              \
    " bytes BLOB NOT NULL, PRIMARY KEY(owner, store, key)) STRICT, WITHOUT ROWID;"              \
    "CREATE TABLE space(id INTEGER PRIMARY KEY, owner BLOB NOT NULL, store BLOB NOT NULL,"      \
    " last INTEGER NOT NULL, lag INTEGER NOT NULL, UNIQUE(owner, store)) STRICT;"               \
    "CREATE TABLE log(space INTEGER NOT NULL, id INTEGER NOT NULL, stamp INTEGER NOT NULL,"     \
    " flags INTEGER NOT NULL, size INTEGER NOT NULL, peer BLOB NOT NULL, part BLOB NOT NULL,"   \
    " bytes BLOB NOT NULL) STRICT;"                                                             \
    "CREATE INDEX log_by_id ON log(space, id, stamp, flags, size);"                             \
    "CREATE INDEX log_by_peer ON log(space, peer, id);"                                         \
    "PRAGMA user_version=" STORE_SQL_TEXT(                                                      \
        STORE_SQL_USER_VERSION) ";"                                                             \
                                "PRAGMA application_id=" STORE_SQL_TEXT(                        \
                                    STORE_SQL_APPLICATION_ID) ";"

#define STORE_SQL_LOG_ROW   "SELECT id, stamp, flags, peer, part, bytes FROM log "
#define STORE_SQL_LOG_PRUNE "DELETE FROM log WHERE rowid IN (SELECT rowid FROM log "
#define STORE_SQL_BY_ID     "INDEXED BY log_by_id "
#define STORE_SQL_BY_PEER   "INDEXED BY log_by_peer "
#define STORE_SQL_RANGE \
    "WHERE space=?1 AND id>?2 AND id<?3 AND stamp>=?4 AND stamp<=?5 AND (flags & ?6)=?7 "
#define STORE_SQL_PEER "AND peer=?9 AND (?10 OR part=?11) "

/* X(name, text) */
#define STORE_SQL_STATEMENTS(X)                                                                  \
    X(BEGIN, "BEGIN IMMEDIATE")                                                                  \
    X(COMMIT, "COMMIT")                                                                          \
    X(ROLLBACK, "ROLLBACK")                                                                      \
    X(SAVEPOINT, "SAVEPOINT unit")                                                               \
    X(RELEASE, "RELEASE unit")                                                                   \
    X(ROLLBACK_TO, "ROLLBACK TO unit")                                                           \
    X(ACCOUNT_GET, "SELECT local, credential, flags, created FROM account"                       \
                   " WHERE domain=?1 AND local=?2")                                              \
    X(ACCOUNT_CREATE, "INSERT INTO account(domain, local, credential, flags, created)"           \
                      " VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING")                      \
    X(ACCOUNT_REPLACE, "UPDATE account SET credential=?3, flags=?4"                              \
                       " WHERE domain=?1 AND local=?2")                                          \
    X(ACCOUNT_DELETE, "DELETE FROM account WHERE domain=?1 AND local=?2")                        \
    X(ACCOUNT_LIST, "SELECT local, credential, flags, created FROM account"                      \
                    " WHERE domain=?1 AND local>=?2 AND (local>?2 OR ?3)"                        \
                    " ORDER BY local LIMIT ?4")                                                  \
    X(ACCOUNT_COUNT, "SELECT count(*) FROM account WHERE domain=?1")                             \
    X(KV_GET, "SELECT key, bytes FROM kv WHERE owner=?1 AND store=?2 AND key=?3")                \
    X(KV_PUT, "INSERT INTO kv(owner, store, key, bytes) VALUES(?1, ?2, ?3, ?4)"                  \
              " ON CONFLICT DO UPDATE SET bytes=excluded.bytes")                                 \
    X(KV_DELETE, "DELETE FROM kv WHERE owner=?1 AND store=?2 AND key=?3")                        \
    X(KV_LIST, "SELECT key, bytes FROM kv"                                                       \
               " WHERE owner=?1 AND store=?2 AND key>=?3 AND (key>?3 OR ?4)"                     \
               " ORDER BY key LIMIT ?5")                                                         \
    X(KV_CLEAR, "DELETE FROM kv WHERE owner=?1 AND store=?2")                                    \
    X(KV_OWNER, "DELETE FROM kv WHERE owner=?1")                                                 \
    X(SPACE_GET, "SELECT id, last, lag FROM space WHERE owner=?1 AND store=?2")                  \
    X(SPACE_CREATE, "INSERT INTO space(owner, store, last, lag) VALUES(?1, ?2, 0, 0)"            \
                    " RETURNING id, last, lag")                                                  \
    X(SPACE_LAG, "UPDATE space SET lag=?2 WHERE id=?1")                                          \
    X(SPACE_LAST, "UPDATE space SET last=?2 WHERE id=?1")                                        \
    X(SPACE_OWNER, "DELETE FROM space WHERE owner=?1")                                           \
    X(LOG_TAIL, "SELECT max(id) FROM log INDEXED BY log_by_id WHERE space=?1")                   \
    X(LOG_APPEND, "INSERT INTO log(space, id, stamp, flags, size, peer, part, bytes)"            \
                  " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")                                     \
    X(LOG_GET, STORE_SQL_LOG_ROW STORE_SQL_BY_ID "WHERE space=?1 AND id=?2")                     \
    X(LOG_UP, STORE_SQL_LOG_ROW STORE_SQL_BY_ID STORE_SQL_RANGE "ORDER BY id LIMIT ?8")          \
    X(LOG_DOWN, STORE_SQL_LOG_ROW STORE_SQL_BY_ID STORE_SQL_RANGE "ORDER BY id DESC LIMIT ?8")   \
    X(LOG_PEER_UP,                                                                               \
      STORE_SQL_LOG_ROW STORE_SQL_BY_PEER STORE_SQL_RANGE STORE_SQL_PEER "ORDER BY id LIMIT ?8") \
    X(LOG_PEER_DOWN, STORE_SQL_LOG_ROW STORE_SQL_BY_PEER STORE_SQL_RANGE STORE_SQL_PEER          \
      "ORDER BY id DESC LIMIT ?8")                                                               \
    X(LOG_COUNT,                                                                                 \
      "SELECT count(*), sum(size) FROM (SELECT size FROM log " STORE_SQL_BY_ID STORE_SQL_RANGE   \
      "ORDER BY id LIMIT ?8)")                                                                   \
    X(LOG_PEER_COUNT,                                                                            \
      "SELECT count(*), sum(size) FROM (SELECT size FROM log " STORE_SQL_BY_PEER STORE_SQL_RANGE \
          STORE_SQL_PEER "ORDER BY id LIMIT ?8)")                                                \
    X(LOG_DELETE, "DELETE FROM log INDEXED BY log_by_id WHERE space=?1 AND id=?2")               \
    X(LOG_TRIM, "DELETE FROM log INDEXED BY log_by_id WHERE space=?1 AND id<=?2")                \
    X(LOG_PRUNE, STORE_SQL_LOG_PRUNE STORE_SQL_BY_ID STORE_SQL_RANGE "ORDER BY id LIMIT ?8)")    \
    X(LOG_PEER_PRUNE, STORE_SQL_LOG_PRUNE STORE_SQL_BY_PEER STORE_SQL_RANGE STORE_SQL_PEER       \
      "ORDER BY id LIMIT ?8)")                                                                   \
    X(LOG_OWNER, "DELETE FROM log INDEXED BY log_by_id"                                          \
                 " WHERE space IN (SELECT id FROM space WHERE owner=?1)")

enum sqlite_statement {
#define STORE_SQL_ENUM(name, text) SQL_##name,
    STORE_SQL_STATEMENTS(STORE_SQL_ENUM)
#undef STORE_SQL_ENUM
        SQL_COUNT
};

#endif
