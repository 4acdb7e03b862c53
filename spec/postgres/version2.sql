-- The tables of version 2, as kmirror store init made them then, and what it granted to alice.
CREATE SCHEMA kmirror;
CREATE TABLE kmirror.changes (
    job text NOT NULL COLLATE pg_catalog."C",
    number bigint NOT NULL,
    "position" bigint NOT NULL,
    key text NOT NULL,
    operation text NOT NULL,
    cluster text NOT NULL,
    id text,
    arguments text NOT NULL,
    state text NOT NULL,
    problem text,
    run bigint NOT NULL,
    sent double precision NOT NULL,
    answered double precision,
    asked bigint NOT NULL,
    item text,
    digest text NOT NULL,
    CONSTRAINT changes_state_check CHECK ((state = ANY (ARRAY['sent'::text, 'done'::text, 'failed'::text])))
);
CREATE TABLE kmirror.items (
    job text NOT NULL COLLATE pg_catalog."C",
    part text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    number integer NOT NULL,
    batch integer NOT NULL,
    state text NOT NULL,
    runner uuid,
    claim bigint,
    run bigint,
    before bigint,
    problem text,
    value text,
    CONSTRAINT items_state_check CHECK ((state = ANY (ARRAY['open'::text, 'claimed'::text, 'done'::text, 'failed'::text])))
);
CREATE TABLE kmirror.jobs (
    name text NOT NULL COLLATE pg_catalog."C",
    script text NOT NULL,
    target text NOT NULL,
    created double precision NOT NULL,
    digest text NOT NULL
);
CREATE SEQUENCE kmirror.tokens
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
CREATE TABLE kmirror.leases (
    job text NOT NULL COLLATE pg_catalog."C",
    runner uuid NOT NULL,
    token bigint DEFAULT nextval('kmirror.tokens'::regclass) NOT NULL,
    shared boolean NOT NULL,
    "user" text DEFAULT SESSION_USER NOT NULL,
    host text NOT NULL,
    pid bigint NOT NULL,
    since timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    expires timestamp with time zone NOT NULL
);
CREATE TABLE kmirror.runs (
    job text NOT NULL COLLATE pg_catalog."C",
    number bigint NOT NULL,
    args text NOT NULL,
    directory text NOT NULL,
    settings text NOT NULL,
    started double precision NOT NULL,
    ended double precision,
    status bigint,
    "user" text,
    host text,
    pid bigint,
    version text,
    reason text,
    digest text NOT NULL
);
CREATE TABLE kmirror.secret (
    key text NOT NULL
);
CREATE TABLE kmirror.seen (
    job text NOT NULL COLLATE pg_catalog."C",
    cluster text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    "position" bigint NOT NULL,
    digest text NOT NULL
);
CREATE TABLE kmirror.version (
    number integer NOT NULL
);
ALTER TABLE ONLY kmirror.changes
    ADD CONSTRAINT changes_pkey PRIMARY KEY (job, number);
ALTER TABLE ONLY kmirror.items
    ADD CONSTRAINT items_pkey PRIMARY KEY (job, part, key);
ALTER TABLE ONLY kmirror.jobs
    ADD CONSTRAINT jobs_pkey PRIMARY KEY (name);
ALTER TABLE ONLY kmirror.leases
    ADD CONSTRAINT leases_pkey PRIMARY KEY (job, runner);
ALTER TABLE ONLY kmirror.runs
    ADD CONSTRAINT runs_pkey PRIMARY KEY (job, number);
ALTER TABLE ONLY kmirror.seen
    ADD CONSTRAINT seen_pkey PRIMARY KEY (job, cluster, id);
CREATE INDEX changes_item ON kmirror.changes USING btree (job, item) WHERE (item IS NOT NULL);
CREATE INDEX changes_position ON kmirror.changes USING btree (job, "position");
CREATE INDEX seen_position ON kmirror.seen USING btree (job, "position");
ALTER TABLE ONLY kmirror.changes
    ADD CONSTRAINT changes_job_fkey FOREIGN KEY (job) REFERENCES kmirror.jobs(name) ON DELETE CASCADE;
ALTER TABLE ONLY kmirror.items
    ADD CONSTRAINT items_job_fkey FOREIGN KEY (job) REFERENCES kmirror.jobs(name) ON DELETE CASCADE;
ALTER TABLE ONLY kmirror.runs
    ADD CONSTRAINT runs_job_fkey FOREIGN KEY (job) REFERENCES kmirror.jobs(name) ON DELETE CASCADE;
ALTER TABLE ONLY kmirror.seen
    ADD CONSTRAINT seen_job_fkey FOREIGN KEY (job) REFERENCES kmirror.jobs(name) ON DELETE CASCADE;
GRANT USAGE ON SCHEMA kmirror TO alice;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE kmirror.changes TO alice;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE kmirror.items TO alice;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE kmirror.jobs TO alice;
GRANT USAGE ON SEQUENCE kmirror.tokens TO alice;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE kmirror.leases TO alice;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE kmirror.runs TO alice;
GRANT SELECT ON TABLE kmirror.secret TO alice;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE kmirror.seen TO alice;
GRANT SELECT ON TABLE kmirror.version TO alice;
INSERT INTO kmirror.version VALUES (2);
