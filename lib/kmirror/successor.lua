--- successor: what a mirror is like that takes the place of another. What the options do not say is as the other one
--- has it, where the API tells (version 2), and else a default.

local mirrors = require("mirrors")
local options = require("kmirror.options")
local read_properties = require("kmirror.properties")
local refuse = require("kmirror.usage")

local M = {}

--- What a specification says beside its source and its topics; and what it is where nobody says.
local defaults = { useRenaming = false, usePrivateIps = false, maxTasks = 3 }

local option_of = { useRenaming = "use_renaming", usePrivateIps = "use_private_ips", maxTasks = "max_tasks" }

--- Fields of an old mirror that a successor is made from, and that are no secret.
M.fields = { "useRenaming", "usePrivateIps", "maxTasks", "sourceType", "kafkaSource" }

--- Adds the options.
---@param parser table an argparse parser
---@param source string what the new mirrors come from, in words: "TO"
function M.define(parser, source)
    local as_before = " By default as the old one, where the API tells (--api v2), else %s."
    options.switch(parser, "--use-renaming", ("Each new mirror prefixes topics with %s's alias."):format(source)
        .. as_before:format("it does not"))
    options.switch(parser, "--use-private-ips", ("It reaches %s at its private addresses."):format(source)
        .. as_before:format("it does not"))
    parser:option("--max-tasks", "Its tasks." .. as_before:format(defaults.maxTasks)):argname("N")
        :convert(options.integer("--max-tasks", "a whole number, 1 or more", 1))
    parser:option("--source-properties", ("It reaches %s by these connection properties, in a file, a variable, or "
        .. "printed by a command."):format(source))
        :argname("FILE|env:NAME|command:COMMAND")
end

local places = { file = "file", env = "variable", command = "command" }

--- Reads the connection properties that the options name, as a value that does not show.
---@param given table what the parser made of the arguments
---@return mirrors.Secret|nil
---Raises usage when they cannot be read, or can be read by others.
function M.properties(given)
    if not given.source_properties then return nil end
    local place, what = given.source_properties:match("^(%l+):(.+)$")
    local secret = places[place] and { from = places[place], value = what, path = "--source-properties" }
        or { from = "file", value = given.source_properties }
    local properties, problem = read_properties(secret, "")
    if problem then
        refuse("--source-properties: %s", problem)
    end
    return mirrors.secret(properties)
end

--- useRenaming, usePrivateIps or maxTasks of the mirror that replaces another.
---@param given table the options
---@param field "useRenaming"|"usePrivateIps"|"maxTasks"
---@param old table the other one, as the API or a file has it
---@return boolean|integer
function M.setting(given, field, old)
    for _, value in ipairs({ { given[option_of[field]] }, { old[field] }, { defaults[field] } }) do
        if value[1] ~= nil then return value[1] end
    end
end

---@class kmirror.successor.source
---@field alias string
---@field kafka? string UUID of its Kafka cluster
---@field properties? mirrors.Secret instead of that

--- What to create.
---@param given table the options
---@param old table the mirror that it replaces, as the API or a file has it
---@param source kmirror.successor.source
---@param regex string its topics regex
---@return mirrors.Spec
function M.spec(given, old, source, regex)
    local custom = source.properties ~= nil
    local private = nil
    if not custom then private = M.setting(given, "usePrivateIps", old) end
    return {
        sourceType = custom and "custom" or "instaclustr",
        kafkaSource = not custom and source.kafka or nil,
        sourceConnectionProperties = source.properties,
        sourceAlias = source.alias,
        topicsRegex = regex,
        useRenaming = M.setting(given, "useRenaming", old),
        usePrivateIps = private,
        maxTasks = M.setting(given, "maxTasks", old),
    }
end

return M
