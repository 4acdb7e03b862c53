local connect = require("kmirror.connect")
local ends = require("kmirror.ends")
local items = require("kmirror.cli.items")
local naming = require("kmirror.naming")
local json = require("kmirror.json")
local tables = require("kmirror.table")
local terminal = require("kmirror.terminal")
local text = require("kmirror.text")
local refuse = require("kmirror.usage")

-- What is told of a mirror, and how: the records left, or with --groups its consumer groups.

---@class kmirror.lag.view
---@field columns table
---@field of fun(api: mirrors.Api, id: string): table
---@field rows fun(told: table): table[]
---@field first fun(told: table): table the mirror's own line in a pipe
---@field head fun(told: table): string for people
---@field none string for people, when there is no row
---@field shape fun(told: table): table for JSON

local lag = {
    columns = {
        { "TOPIC", "topic", key = true },
        { "PARTITION", "partition", align = "right" },
        { "END", "endOffset", align = "right" },
        { "REPLICATED", "replicatedOffset", align = "right" },
        { "LEFT", "recordsLeft", align = "right" },
    },
    none = "no topics\n",
}

function lag.of(api, id)
    return api:lag(id)
end

function lag.rows(told)
    local rows = {}
    for _, topic in ipairs(told.topics) do
        for _, partition in ipairs(topic.partitions) do
            rows[#rows + 1] = setmetatable({ topic = topic.name }, { __index = partition })
        end
    end
    return rows
end

function lag.first(told)
    return { topic = told.id, recordsLeft = told.recordsLeft }
end

function lag.head(told)
    return told.recordsLeft and text.count(told.recordsLeft, "record") .. " left" or "records left: not known yet"
end

function lag.shape(told)
    json.array(told.topics)
    return told
end

local groups = {
    columns = {
        { "GROUP", "group", key = true },
        { "TOPIC", "topic", key = true },
        { "PARTITION", "partition", align = "right" },
        { "COMMITTED", "committedOffset", align = "right" },
        { "IN TARGET", "translatedOffset", align = "right" },
        { "AGAIN", "recordsAgain", align = "right" },
    },
    none = "no consumer group has committed anything\n",
}

function groups.of(api, id)
    return api:groups(id)
end

function groups.rows(told)
    local rows = {}
    for _, group in ipairs(told.groups) do
        for _, partition in ipairs(group.partitions) do
            rows[#rows + 1] = setmetatable({ group = group.group }, { __index = partition })
        end
    end
    return rows
end

local function may_move(told)
    local count = 0
    for _, group in ipairs(told.groups) do count = count + (group.recordsAgain == 0 and 1 or 0) end
    return count
end

function groups.first(told)
    return { group = told.id }
end

function groups.head(told)
    return ("%d of %s may move"):format(may_move(told), text.count(#told.groups, "consumer group"))
end

function groups.shape(told)
    json.array(told.groups)
    return told
end

-- Of topics whose records are not among those that are left.
local function not_counted(told)
    local names = {}
    for _, topic in ipairs(told.topics or {}) do
        names[#names + 1] = topic.heartbeats and topic.name or nil
    end
    if not names[1] then return "" end
    return ("Not counted, as MirrorMaker itself writes to it for ever: %s\n"):format(text.clean(table.concat(names,
        ", ")))
end

local function for_people(view, told, where)
    local rows = view.rows(told)
    local head = ("%s  %s\n"):format(text.clean(told.connectorName), view.head(told))
    return head .. (#rows > 0 and "\n" .. tables.aligned(view.columns, rows, where) or view.none) .. not_counted(told)
end

local function for_programs(view, told)
    local rows = { view.first(told) }
    table.move(view.rows(told), 1, #view.rows(told), 2, rows)
    return tables.tabs(view.columns, rows)
end

-- Of all mirrors, by their topics. Where none of them can be told of, that is said once.
local function all_ids(api, what)
    if not api:can(what) then
        local _, problem = pcall(api[what], api, "all")
        refuse("kmirror lag: %s", problem.message)
    end
    local all = api:list()
    table.sort(all, function(a, b)
        return a.topicsRegex == b.topicsRegex and a.id < b.id or a.topicsRegex < b.topicsRegex
    end)
    for i, listed in ipairs(all) do all[i] = listed.id end
    return all
end

---@type kmirror.command
return {
    name = "lag",
    summary = "How many records mirrors have still to copy.",
    details = [[
Without an ID: of all mirrors of the cluster. Where topics end is noted down:
should their region be lost, failover --disaster tells by that how many records
were not copied.

Only on Kafka Connect of your own (--api connect), and with librdkafka on this
machine (Debian's librdkafka1). Kafka Connect records what was copied once a
minute by default, so what is told as left may have been copied already; of one
that is paused, what was under way then is recorded when it resumes. Its own
heartbeats, which MirrorMaker writes for ever, are shown and not counted.

In a pipe: a line with the mirror's id and the records left, then one for each
partition: topic, partition, end, last one replicated, records left; a tab
between them.

With --json: {"id", "connectorName", "recordsLeft", "topics": [{"name",
"recordsLeft", "heartbeats": true (of those), "partitions": [{"partition",
"endOffset", "replicatedOffset", "recordsLeft", "leftSince"}]}]} (since when
records are left and none was copied, in seconds since the epoch); unless there
is one id, an array of them, where one that failed is
{"id", "error": {"kind", "message", ...}}.

With --groups: the consumer groups that have committed on the mirror's topics in
the source; where they are there and in the target, to which MirrorMaker carries
their offsets over once a minute; and how many records each would read again if
it moved now. In a pipe: the mirror's id, then in a line each group, topic,
partition, committed, in the target, again. With --json: {"id", "groups":
[{"group", "recordsAgain", "partitions": [{"topic", "partition",
"committedOffset", "translatedOffset", "recordsAgain"}]}]}. Needs librdkafka 2.0.]],
    sets = { "connection", "results", "messages" },

    define = function(parser)
        parser:argument("ID", "A mirror: its id or name; see kmirror help get. None: all."):args("*"):argname("ID")
            :target("id")
        parser:flag("--groups", "Consumer groups instead: which may move to the target.")
    end,

    run = function(options)
        local api, view = connect(), options.groups and groups or lag
        local where, before = terminal.of(io.stdout), ""
        local ids, seen = options.id[1] and naming.resolve(api, options.id)
            or all_ids(api, options.groups and "groups" or "lag"), {}
        local _ <close> = setmetatable({}, { __close = function()
            if seen[1] then ends.note(api.cluster, seen) end
        end })
        return items.each(ids, {
            json = options.json,
            single = #options.id == 1,
            run = function(id)
                local told = view.of(api, id)
                seen[#seen + 1] = view == lag and told or nil
                return told
            end,
            text = function(told)
                local shown = where.terminal and before .. for_people(view, told, where) or for_programs(view, told)
                before = "\n"
                return shown
            end,
            shape = view.shape,
            name = function(id)
                return { id = id }
            end,
        })
    end,
}
