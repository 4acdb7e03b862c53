-- Gives one mirror a new topics regex: creates its successor, and deletes it only when that is in sync.
--   kmirror run --sandbox scripts/cookbook/replace_one.lua 'orders\..*' 'orders\.(created|shipped)'

local confirm = require("kmirror.confirm")
local health = require("kmirror.health")
local profile = require("kmirror.profile")
local wait = require("kmirror.wait")

local old_regex, new_regex = ...
local west, east = profile.cluster "us-west", profile.cluster "us-east"
local api = require("mirrors").connect { cluster = east.connect }

for _, old in ipairs(api:list()) do
    if old.topicsRegex == old_regex then
        confirm.typed("replace the mirror of " .. old_regex, "replace")
        local id = api:create {
            sourceType = "instaclustr", kafkaSource = west.kafka, sourceAlias = west.alias, topicsRegex = new_regex,
            useRenaming = false, usePrivateIps = false, maxTasks = 3,
        }
        wait.ready(api, { id }, function(mirror)
            return health.problem(mirror) == nil
        end, { seconds = 600 })
        api:delete(old.id)
        wait.gone(api, { old.id }, 60)
        print("replaced", old.id, "by", id)
    end
end
