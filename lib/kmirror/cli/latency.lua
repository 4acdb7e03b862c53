local changes = require("kmirror.changes")
local connect = require("kmirror.connect")
local json = require("kmirror.json")
local naming = require("kmirror.naming")
local options = require("kmirror.options")
local profile = require("kmirror.profile")
local refuse = require("kmirror.usage")

---@type kmirror.command
return {
    name = "latency",
    summary = "Set the target latency of a mirror.",
    details = [[
A mirror counts as out of sync when one of its topics lags behind more than
that.

With --json: {"id", "targetLatency"}.]],
    sets = { "connection", "safety", "results", "messages" },

    define = function(parser)
        parser:argument("ID", "The mirror: its id or name; see kmirror help get."):argname("ID"):target("id")
        parser:argument("MS", "Its target latency in milliseconds, 1000 or more."):argname("MS"):target("ms")
            :convert(options.integer("MS", "milliseconds, from 1000 to 2147483647", 1000))
    end,

    run = function(given)
        local api = connect()
        if not profile.is_uuid(given.id) and not naming.may_mean(given.id, naming.takes_any(api)) then
            refuse("'%s' is not the id of a mirror: expected a UUID, as kmirror list shows it", given.id)
        end
        given.id = naming.resolve(api, { given.id })[1]
        api:update_target_latency(given.id, given.ms)
        if given.json then
            local shape = { id = given.id, targetLatency = given.ms, dryRun = changes.planned() or nil }
            io.stdout:write(json.encode(shape, true), "\n")
        elseif not changes.planned() then
            io.stdout:write(("%s: target latency %d ms\n"):format(given.id, given.ms))
        end
        return 0
    end,
}
