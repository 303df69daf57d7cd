/** The numbered steps that make and change the database. A step that was released is never edited. */

export interface Migration {
  number: number
  sql: string
}

export const migrations: readonly Migration[] = [
  {
    number: 1,
    sql: `
      create table nodes (
        name text primary key,
        runner_id text not null,
        boot_id text not null,
        capacity text not null,
        executor text not null,
        runner_version text not null,
        status text not null,
        last_seen_ms integer not null
      ) strict;
      create table batches (
        id integer primary key,
        submission_id text unique,
        name text,
        submitted_at_ms integer not null,
        answer text not null
      ) strict;
      create table tasks (
        id integer primary key,
        batch_id integer not null references batches (id),
        status text not null,
        spec text not null,
        target text not null,
        node text,
        numa_id integer,
        attempt integer not null,
        runner_id text,
        boot_id text,
        submitted_at_ms integer not null,
        placed_at_ms integer,
        started_at_ms integer,
        since_ms integer,
        kill_requested_at_ms integer,
        ended_at_ms integer,
        exit_code integer,
        signal text,
        reason text,
        cpu_time_ms integer,
        peak_memory_bytes integer
      ) strict;
      create index tasks_by_status on tasks (status, id);
      create index tasks_by_node on tasks (node, id);
      create index tasks_by_batch on tasks (batch_id, id);
      create table task_events (
        id integer primary key,
        at_ms integer not null,
        task_id integer not null,
        batch_id integer not null,
        attempt integer not null,
        type text not null,
        status text not null,
        node text,
        exit_code integer,
        reason text
      ) strict;
      create index task_events_by_task on task_events (task_id, id);
      create table node_events (
        id integer primary key,
        at_ms integer not null,
        node text not null,
        type text not null,
        reason text
      ) strict;
      create table tokens (
        hash text primary key,
        kind text not null,
        created_at_ms integer not null
      ) strict;
    `,
  },
  {
    number: 2,
    // what a later database had given out, from before this one was restored
    sql: `
      create table id_floors (
        name text primary key,
        value integer not null
      ) strict;
    `,
  },
  {
    number: 3,
    sql: 'alter table nodes add column drained text',
  },
  {
    number: 4,
    sql: 'create index node_events_by_node on node_events (node, id)',
  },
  {
    number: 5,
    sql: 'alter table tasks add column rerun_of integer',
  },
  {
    number: 6,
    // every page of a list is read from the place where it begins: by id, or by when tasks ended
    sql: `
      create index tasks_by_node_status on tasks (node, status, id) where node is not null;
      drop index tasks_by_node;
      create index tasks_by_end on tasks (status, ended_at_ms, id) where ended_at_ms is not null;
      create index tasks_by_node_end on tasks (node, status, ended_at_ms, id) where ended_at_ms is not null;
    `,
  },
  {
    number: 7,
    sql: `
      create table sessions (
        hash text primary key,
        created_at_ms integer not null,
        expires_at_ms integer not null
      ) strict;
    `,
  },
  {
    number: 8,
    // what was made before there were users was made by who had the admin token
    sql: `
      alter table batches add column owner text not null default 'admin';
      alter table tasks add column owner text not null default 'admin';
    `,
  },
  {
    number: 9,
    // who had the admin token, or a browser that is logged in, is the user admin
    sql: `
      create table users (
        name text primary key,
        role text not null,
        is_disabled integer not null,
        created_at_ms integer not null
      ) strict;
      insert into users (name, role, is_disabled, created_at_ms)
        select 'admin', 'admin', 0, min(created_at_ms) from tokens having count(*) > 0;
      alter table tokens rename to tokens_before;
      create table tokens (
        id integer primary key,
        hash text not null unique,
        kind text not null,
        user text,
        role text not null,
        label text not null,
        created_at_ms integer not null,
        expires_at_ms integer,
        bound_ms integer,
        made_by text,
        last_used_at_ms integer,
        last_used_from text,
        revoked_at_ms integer
      ) strict;
      insert into tokens (id, hash, kind, user, role, label, created_at_ms)
        select row_number() over (order by created_at_ms, kind), hash,
          case kind when 'admin' then 'api' else kind end,
          case kind when 'admin' then 'admin' end,
          case kind when 'admin' then 'admin' else 'viewer' end,
          kind || '-token', created_at_ms
        from tokens_before;
      drop table tokens_before;
      insert into tokens (id, hash, kind, user, role, label, created_at_ms, expires_at_ms)
        select 1000 + row_number() over (order by created_at_ms), hash, 'browser', 'admin', 'admin', 'browser',
          created_at_ms, expires_at_ms
        from sessions;
      drop table sessions;
      create index tasks_by_owner on tasks (owner, status, id);
      create index tasks_by_owner_end on tasks (owner, status, ended_at_ms, id) where ended_at_ms is not null;
      create index batches_by_owner on batches (owner, id);
    `,
  },
  {
    number: 10,
    sql: `
      create table join_tokens (
        hash text primary key,
        node text,
        created_at_ms integer not null,
        expires_at_ms integer not null,
        used_at_ms integer
      ) strict;
      create table node_credentials (
        node_id text primary key,
        node text not null,
        runner_id text not null,
        authority text not null,
        created_at_ms integer not null,
        expires_at_ms integer not null,
        revoked_at_ms integer
      ) strict;
    `,
  },
  {
    number: 11,
    // sealed by a key that lies outside of the database; one row for all tasks of a batch that have the same
    sql: `
      create table secrets (
        batch_id integer not null references batches (id),
        number integer not null,
        data blob not null,
        primary key (batch_id, number)
      ) strict;
    `,
  },
  {
    number: 12,
    // a chain: each row has the hash of the one before. Who can write to the file can drop the triggers, but not the hashes
    sql: `
      create table audit (
        seq integer primary key,
        at_ms integer not null,
        who text,
        role text,
        token text,
        via text not null,
        address text,
        action text not null,
        target text not null,
        details text not null,
        result text not null,
        prev_hash blob not null,
        hash blob not null
      ) strict;
      create trigger audit_is_not_changed before update on audit
        begin select raise(abort, 'the audit log is only added to'); end;
      create trigger audit_is_not_removed before delete on audit
        begin select raise(abort, 'the audit log is only added to'); end;
    `,
  },
]
