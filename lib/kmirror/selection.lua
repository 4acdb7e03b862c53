--- selection: which mirrors a runbook is about: the options for it, and what they mean.

local bulk = require("kmirror.bulk")
local connector = require("kmirror.connector")
local fields = require("mirrors").fields
local health = require("kmirror.health")
local log = require("kmirror.log")
local mirrors = require("mirrors")
local naming = require("kmirror.naming")
local options = require("kmirror.options")
local profile = require("kmirror.profile")
local regex = require("kmirror.regex")
local counted = require("kmirror.text").count
local refuse = require("kmirror.usage")

local M = {}

local function id_of(text)
    return fields.any_id.fits(text) and text or nil, ("--id must be %s, got %s"):format(fields.any_id.expected,
        fields.shown(text))
end

-- The options, in the order in which help has them.
local function elements_of(parser)
    local function several(name, description, placeholder, target)
        return parser:option(name, description):argname(placeholder):count("*"):target(target)
    end
    return {
        { "--in", function()
            return several("--in", "On this Kafka Connect cluster; all: on each that the profile names.",
                "UUID|NAME|all", "clusters")
        end },
        { "--source", function() return several("--source", "From a source of this alias.", "ALIAS", "sources") end },
        { "--only", function()
            return several("--only", "These alone: a topics regex, begins: and a beginning of topics regexes, an id, "
                .. "a beginning of an id, or a connector's name.", "WHICH", "only")
        end },
        { "--except", function() return several("--except", "Not these, named as for --only.", "WHICH", "except") end },
        { "--regex", function() return several("--regex", "With exactly this topics regex.", "REGEX", "regexes") end },
        { "--topic", function() return several("--topic", "That match this topic.", "NAME", "topics") end },
        { "--id", function()
            return several("--id", "With this id, a beginning of it, or this connector's name.", "ID", "ids")
                :convert(id_of)
        end },
        { "--status", function()
            return several("--status", "In this status: IN_SYNC, OUT_OF_SYNC, CREATING, ...", "STATUS", "statuses")
                :convert(options.one_of("--status", health.statuses))
        end },
    }
end

-- What every option's values are kept as, also when it is not defined.
local all_fields = { "clusters", "sources", "only", "except", "regexes", "topics", "ids", "statuses" }

--- Adds the options to a runbook's parser: --in, --source, --only, --except, --regex, --topic, --id, --status. Each may
--- be given several times: one of its values has to fit, and all options have to.
---@param parser table an argparse parser
---@param without? string[] those that make no sense for it: { "--in" } when it is about one cluster
function M.define(parser, without)
    local left_out, elements = {}, {}
    for _, name in ipairs(without or {}) do left_out[name] = true end
    for _, element in ipairs(elements_of(parser)) do
        elements[#elements + 1] = not left_out[element[1]] and element[2]() or nil
    end
    parser:group("Which mirrors", table.unpack(elements))
end

--- Makes whole what a parser without some of the options has made: these were given no value.
---@param arguments table
---@return table arguments the same
function M.complete(arguments)
    for _, field in ipairs(all_fields) do arguments[field] = arguments[field] or {} end
    return arguments
end

local option_of = {
    { "only", "--only" }, { "except", "--except" }, { "regexes", "--regex" }, { "topics", "--topic" },
    { "ids", "--id" }, { "statuses", "--status" }, { "sources", "--source" },
}

--- The options that were given, but for --in, as words of a command line: --only, A, --only, B.
---@param given table
---@return string[]
function M.words(given)
    local words = {}
    for _, option in ipairs(option_of) do
        for _, value in ipairs(given[option[1]]) do
            words[#words + 1] = option[2]
            words[#words + 1] = value
        end
    end
    return words
end

--- True when any option but --in and --except says which mirrors are meant.
---@param given table what the parser made of the arguments
---@return boolean
function M.is_narrowed(given)
    return #given.sources + #given.only + #given.regexes + #given.topics + #given.ids + #given.statuses > 0
end

--- True when the options leave nothing out but other clusters.
---@param given table what the parser made of the arguments
---@return boolean
function M.is_whole(given)
    return not M.is_narrowed(given) and #given.except == 0
end

local function named_clusters()
    local found, names = {}, {}
    for name, cluster in pairs(profile.current().clusters) do
        if cluster.connect then names[#names + 1] = name end
    end
    table.sort(names)
    for i, name in ipairs(names) do found[i] = profile.current().clusters[name].connect end
    return found
end

local function clusters_of(given, everywhere)
    local clusters = {}
    for _, name in ipairs(given.clusters) do
        if name == "all" then return named_clusters() end
        clusters[#clusters + 1] = profile.connect_cluster(name)
    end
    return #clusters == 0 and everywhere and named_clusters() or clusters
end

--- An api for each cluster that is meant: those of --in, else the connection's.
---@param given { clusters: string[] }
---@param everywhere? boolean without --in, those that the profile names, if it names any
---@return mirrors.Api[]
---Raises usage for an unknown name, and when no cluster is known.
function M.apis(given, everywhere)
    local api, apis = mirrors.connect({}), {}
    for i, cluster in ipairs(clusters_of(given, everywhere)) do apis[i] = api:on(cluster) end
    if #apis == 0 and not api.cluster then
        refuse("which cluster? give --in UUID, or kmirror's own --cluster, or name clusters in the configuration file")
    end
    return #apis > 0 and apis or { api }
end

--- What a Kafka Connect cluster is called in the profile, or its UUID.
---@param cluster string UUID
---@return string
function M.cluster_name(cluster)
    return profile.name_of(cluster) or cluster
end

--- A filter for mirrors between two regions: by their sources where the list tells these (version 2 of the API), else
--- by the names of their connectors, SOURCE.TARGET.RANDOM.
---@param source string alias
---@param target string alias
---@param kafka? string UUID of the source's Kafka cluster
---@param on_other? fun(listed: mirrors.Summary) told of mirrors of that alias that come from another Kafka cluster
---@return fun(listed: mirrors.Summary): boolean
function M.between(source, target, kafka, on_other)
    return function(listed)
        if listed.sourceAlias == nil then
            return connector.is_between(listed.connectorName or "", source, target)
        elseif listed.sourceAlias ~= source then
            return false
        end
        local is_other = kafka and listed.kafkaSource and listed.kafkaSource:lower() ~= kafka:lower()
        if is_other and on_other then on_other(listed) end
        return not is_other
    end
end

-- An alias may hold dots: then only the profile can tell where it ends.
local function has_source(listed, alias)
    if listed.sourceAlias then return listed.sourceAlias == alias end
    local name = listed.connectorName or ""
    if not connector.may_come_from(name, alias) then return false end
    for _, cluster in pairs(profile.current().clusters) do
        if cluster.connect and cluster.alias and cluster.connect:lower() == listed.cluster:lower() then
            return connector.is_between(name, alias, cluster.alias)
        end
    end
    return connector.is_from(name, alias) -- rather too few than those of another source
end

-- Most likely, as an alias may hold dots.
local function source_of(listed)
    return listed.sourceAlias or connector.likely_source(listed.connectorName or "")
end

local function any(several, holds)
    for _, value in ipairs(several) do
        if holds(value) then return true end
    end
    return #several == 0
end

local function takes(listed, topic)
    local could, taken = pcall(regex.select, listed.topicsRegex, { topic })
    return could and #taken > 0
end

local function has_regex(listed, text)
    return listed.topicsRegex == text
end

local has_id = naming.means

--- Whether a mirror's topics regex begins with a text, be the regex's backslashes written or not.
---@param listed mirrors.Summary
---@param text string "payments." of 'payments\\..*'
---@return boolean
function M.begins(listed, text)
    local regex_text = listed.topicsRegex or ""
    return regex_text:sub(1, #text) == text or regex_text:gsub("\\", ""):sub(1, #text) == text
end

-- As --only and --except name mirrors.
local function is_named(listed, text)
    local beginning = text:match("^begins:(.+)$")
    if beginning then return M.begins(listed, beginning) end
    return listed.topicsRegex == text or naming.means(listed, text)
end

local function is_one_of(listed, texts)
    for _, text in ipairs(texts) do
        if is_named(listed, text) then return true end
    end
    return false
end

--- What the options say of a mirror as it is listed.
---@param given table
---@return fun(listed: mirrors.Summary): boolean
function M.filter(given)
    return function(listed)
        return any(given.sources, function(alias) return has_source(listed, alias) end)
            and any(given.regexes, function(text) return has_regex(listed, text) end)
            and any(given.topics, function(name) return takes(listed, name) end)
            and any(given.ids, function(id) return has_id(listed, id) end)
            and any(given.only, function(text) return is_named(listed, text) end)
            and not is_one_of(listed, given.except)
    end
end

--- What the options say of a mirror in full beside that.
---@param given table
---@return fun(mirror: mirrors.Mirror): boolean
function M.in_status(given)
    return function(mirror)
        return any(given.statuses, function(status) return mirror.status == status end)
    end
end

-- ---- what is not there ------------------------------------------------------------------------------------

-- Each value of the options, the question whether a listed mirror is meant by it, and what a listed mirror has there.
local function topics_of(listed) return listed.topicsRegex end

local values = {
    { "--only", "only", is_named, topics_of },
    { "--except", "except", is_named, topics_of },
    { "--source", "sources", has_source, source_of },
    { "--regex", "regexes", has_regex, topics_of },
    { "--topic", "topics", takes },
    { "--id", "ids", has_id },
}

-- A beginning of an id has to be of one mirror alone. What is a regex, or a beginning of regexes, may be of several.
local function refuse_ambiguous(listed, text)
    local found
    for _, each in ipairs(listed) do
        if naming.means(each, text) then
            if found and text:find("^topics:") == nil then naming.find(listed, text) end
            found = each
        end
    end
end

local function refuse_ambiguous_ids(given, listed)
    local is_regex = {}
    for _, each in ipairs(listed) do is_regex[each.topicsRegex or ""] = true end
    for _, id in ipairs(given.ids) do refuse_ambiguous(listed, id) end
    for _, texts in ipairs({ given.only, given.except }) do
        for _, text in ipairs(texts) do
            if not is_regex[text] then refuse_ambiguous(listed, text) end
        end
    end
end

local function missing_from(given, listed)
    local missing = {}
    for _, value in ipairs(values) do
        local option, field, is_meant, has = table.unpack(value)
        local known = {}
        for _, each in ipairs(has and listed or {}) do known[has(each) or ""] = true end
        for _, text in ipairs(given[field]) do
            local some = false
            for _, each in ipairs(listed) do some = some or is_meant(each, text) end
            missing[#missing + 1] = not some and {
                option = option, value = text,
                message = ("no mirror has %s %s%s"):format(option, fields.shown(text), fields.meant(text, known)),
            } or nil
        end
    end
    return missing
end

-- A source that no mirror comes from, and that is nearly called like one that is known, is a mistake. Any other may
-- have had mirrors once.
local function refuse_mistaken_sources(missing)
    local aliases = {}
    for _, cluster in pairs(profile.current().clusters) do aliases[cluster.alias or ""] = true end
    for _, each in ipairs(missing) do
        if each.option == "--source" and not aliases[each.value] then
            local asked = each.message:find("Did you mean", 1, true)
            local message = each.message .. (asked and "" or fields.meant(each.value, aliases))
            if message:find("Did you mean", 1, true) then refuse("%s", message) end
        end
    end
end

---@class kmirror.selection.missing a value of the options that no mirror has
---@field option string
---@field value string
---@field message string in words

--- What of the options no mirror has that is listed. Raises usage for a source that there is none of, but nearly, for
--- an --except that no mirror is meant by, and for an id that means several mirrors.
---@param given table
---@param listed mirrors.Summary[]
---@return kmirror.selection.missing[]
function M.missing(given, listed)
    refuse_ambiguous_ids(given, listed)
    local missing = missing_from(given, listed)
    refuse_mistaken_sources(missing)
    for _, each in ipairs(missing) do
        if each.option == "--except" then -- what was to be spared would not be
            refuse("%s; nothing was changed", each.message)
        end
    end
    return missing
end

--- The mirrors that the options are about, in full, and what of them is not there.
---@param given table
---@param apis mirrors.Api[]
---@param on_problem? fun(about: table, problem: any) as for bulk.details
---@return mirrors.Mirror[]
---@return kmirror.selection.missing[]
---@return mirrors.Summary[] listed all mirrors of the clusters, as their lists have them
---Raises what bulk.details() raises, and usage for a source that there is none of, but nearly.
function M.details(given, apis, on_problem)
    local found, listed, is_meant, whole = {}, {}, M.filter(given), true
    local mirrors_in_full = bulk.details(apis, function(each)
        listed[#listed + 1] = each
        return is_meant(each)
    end, on_problem and function(...)
        whole = false
        on_problem(...)
    end)
    refuse_ambiguous_ids(given, listed)
    local missing, is_in_status = whole and M.missing(given, listed) or {}, M.in_status(given)
    for _, mirror in ipairs(mirrors_in_full) do
        found[#found + 1] = is_in_status(mirror) and mirror or nil
    end
    return found, missing, listed
end

--- The same as the first step of a runbook: what of them is not there is warned of.
---@param given table
---@param apis mirrors.Api[]
---@return string result
---@return mirrors.Mirror[]
---Raises what details() raises.
function M.look(given, apis)
    local found, missing = M.details(given, apis)
    for _, each in ipairs(missing) do log.warn("%s", each.message) end
    return ("%s on %s"):format(counted(#found, "mirror"), counted(#apis, "cluster")), found
end

--- The mirrors of a list that the options are about: of what is yet to be created.
---@param given table
---@param list table[] with cluster, sourceAlias and topicsRegex
---@param where string what they are from, for messages
---@return table[]
---Raises usage for an option that none of them has, and when none is meant.
function M.of_list(given, list, where)
    local is_meant, is_on, found, listed = M.filter(given), {}, {}, {}
    for _, cluster in ipairs(clusters_of(given)) do is_on[cluster:lower()] = true end
    for i, each in ipairs(list) do
        listed[i] = setmetatable({ id = "" }, { __index = each })
        local is_there = next(is_on) == nil or is_on[each.cluster:lower()]
        if is_there and is_meant(listed[i]) then found[#found + 1] = each end
    end
    local missing = M.missing(given, listed)
    if missing[1] or #found == 0 then
        refuse("%s: %s; nothing was changed", where, missing[1] and missing[1].message
            or "no mirror in it is meant by the options")
    end
    return found
end

-- ---- what the arguments may be --------------------------------------------------------------------------

local parser = fields.made("an argparse parser", "option", "group")
local given = fields.made("what a parser with selection.define() made of the arguments (see selection.complete)",
    table.unpack(all_fields))
local clusters = fields.made("a table with clusters, a list", "clusters")

return fields.guard("selection", M, {
    define = { "parser", parser, "without?", fields.list(fields.string, "a list of options") },
    words = { "given", given },
    complete = { "arguments", fields.table },
    missing = { "given", given, "listed", fields.list(fields.table) },
    is_narrowed = { "given", given },
    is_whole = { "given", given },
    begins = { "listed", fields.table, "text", fields.string },
    in_status = { "given", given },
    apis = { "given", clusters, "everywhere?", fields.boolean },
    cluster_name = { "cluster", fields.string },
    between = {
        "source", fields.string, "target", fields.string, "kafka?", fields.string, "on_other?", fields.fn,
    },
    filter = { "given", given },
    of_list = { "given", given, "list", fields.list(fields.table), "where", fields.string },
    details = { "given", given, "apis", fields.list(fields.api, "a list of apis"), "on_problem?", fields.fn },
    look = { "given", given, "apis", fields.list(fields.api, "a list of apis") },
})
