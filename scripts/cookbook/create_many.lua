-- Creates a mirror for each topics regex, and waits until all are up. One that fails ends it.
--   kmirror run --sandbox scripts/cookbook/create_many.lua '.*\.created' '.*\.shipped'

local bulk = require("kmirror.bulk")
local health = require("kmirror.health")
local profile = require("kmirror.profile")
local wait = require("kmirror.wait")
local task = require("task")

local west, east = profile.cluster "us-west", profile.cluster "us-east"
local api = require("mirrors").connect { cluster = east.connect }

local created = bulk.map({ ... }, function(topics)
    local id = api:create {
        sourceType = "instaclustr", kafkaSource = west.kafka, sourceAlias = west.alias, topicsRegex = topics,
        useRenaming = false, usePrivateIps = false, maxTasks = 3,
    }
    return { id = id, since = task.now() }
end)
for _, mirror in ipairs(wait.ready(api, created, health.works, { seconds = 300, stall = 60 })) do
    print(mirror.id, mirror.topicsRegex, mirror.status)
end
