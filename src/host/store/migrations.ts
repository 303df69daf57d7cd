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
]
