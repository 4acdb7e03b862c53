local connect = require("kmirror.connect")
local csv = require("kmirror.csv")
local items = require("kmirror.cli.items")
local naming = require("kmirror.naming")
local json = require("kmirror.json")
local tables = require("kmirror.table")
local terminal = require("kmirror.terminal")
local text = require("kmirror.text")

local fields = {
    "id", "status", "connectorName", "targetLatency", "topicsRegex", "mirrorStatus", "checkpointStatus",
}

-- Told where it is so: why the mirror is not healthy, and that kmirror has not made it.
local function with_more(mirror)
    local all = table.move(fields, 1, #fields, 1, {})
    for _, field in ipairs({ "cause", "foreign" }) do
        if mirror[field] then all[#all + 1] = field end
    end
    return all
end

local topic_columns = {
    { "TOPIC", "name", key = true },
    { "LATENCY ms", "averageLatency", align = "right" },
    { "RECORDS/s", function(topic)
        return topic.averageRate and ("%.1f"):format(topic.averageRate)
    end, align = "right" },
}

local function value_text(value)
    return value == nil and "-" or text.clean(tostring(value))
end

local function for_people(mirror, where)
    local lines = {}
    for i, field in ipairs(with_more(mirror)) do
        local value = value_text(mirror[field])
        local color = tables.status_color(mirror[field])
        lines[i] = ("%-17s %s\n"):format(field, terminal.paint(where, color, value))
    end
    local topics = mirror.topicStatuses or {}
    if #topics == 0 then return table.concat(lines) .. "no topics\n" end
    return table.concat(lines) .. "\n" .. tables.aligned(topic_columns, topics, where)
end

local function for_programs(mirror)
    local lines = {}
    for i, field in ipairs(with_more(mirror)) do lines[i] = { field, mirror[field] } end
    for _, topic in ipairs(mirror.topicStatuses or {}) do
        lines[#lines + 1] = { "topic", topic.name, topic.averageLatency, topic.averageRate }
    end
    local told = tables.tabs({ { "", 1 }, { "", 2 }, { "", 3 }, { "", 4 } }, lines):gsub("\t+\n", "\n")
    return told
end

local function teller()
    local where, before = terminal.of(io.stdout), ""
    return function(mirror)
        local told = where.terminal and before .. for_people(mirror, where) or for_programs(mirror)
        before = "\n"
        return told
    end
end

local csv_fields = table.move(fields, 1, #fields, 1, {})
table.move({ "topic", "averageLatency", "averageRate" }, 1, 3, #csv_fields + 1, csv_fields)

-- A row for each topic, with the mirror's own fields in each; a mirror without topics has one, too.
local function csv_teller()
    local titles = csv.line(csv_fields)
    return function(mirror)
        local rows = {}
        for i, topic in ipairs(#(mirror.topicStatuses or {}) > 0 and mirror.topicStatuses or { {} }) do
            rows[i] = { topic = topic.name, averageLatency = topic.averageLatency, averageRate = topic.averageRate }
            for _, field in ipairs(fields) do rows[i][field] = mirror[field] end
        end
        local told = titles .. csv.lines(csv_fields, rows)
        titles = ""
        return csv.shown(io.stdout, told)
    end
end

local function to_json(mirror)
    json.array(mirror.topicStatuses or {})
    return mirror
end

---@type kmirror.command
return {
    name = "get",
    summary = "One or more mirrors in full.",
    details = [[
ID is, here and in every command that takes one, the id of a mirror, a unique
beginning of it (4 characters or more), the name of its connector, or topics:
and its topics regex as it stands: kmirror get 'topics:orders\..*'

In a pipe: a line for each field with its value, and one for each topic with
name, latency and rate; a tab between them.

With --json: the mirror as the API answers it; with several ids an array of
them, in the order asked for, where one that failed is
{"id", "error": {"kind", "message", ...}}.

With --output csv: a row for each topic, the mirror's fields in each.]],
    sets = { "connection", "results", "tables", "messages" },

    define = function(parser)
        parser:argument("ID", "A mirror: its id or name; see above."):args("+"):argname("ID"):target("id")
    end,

    run = function(options)
        local api = connect()
        local ids = naming.resolve(api, options.id)
        return items.each(ids, {
            json = options.json,
            single = #ids == 1,
            run = function(id)
                return api:get(id)
            end,
            text = options.output == "csv" and csv_teller() or teller(),
            shape = to_json,
            name = function(id)
                return { id = id }
            end,
        })
    end,
}
