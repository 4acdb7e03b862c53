-- failback: goes back to the region that a failover has left.
--
-- It is a planned failover the other way, with more to check. The mirrors that the failover has deleted must be gone:
-- without renaming, mirrors in both directions would copy each record round and round. Each of them must have been
-- replaced by one that is in sync. And at the end records must flow again, as they did before.

local failover = require("kmirror.failover")
local log = require("kmirror.log")
local options = require("kmirror.options")

local description = [[
Goes back after a failover: has the producers in FROM stopped, makes sure that
all has arrived in TO, deletes the mirrors FROM -> TO, and creates those
TO -> FROM. FROM is the region that clients leave now, TO the one that they come
back to.]]

local duplicates = "the topics in %s still hold what they held before; what comes back may be there twice"

local given = failover.options("failback", description, function(parser)
    parser:option("--failover", "What the failover saved; default: where it does so."):argname("FILE")
    parser:option("--throughput-wait", "How long records may take to flow again; default: 120."):argname("SECONDS")
        :convert(options.number("--throughput-wait", "seconds, 0 or more", 0))
    return { throughput_wait = 120 }
end, ...)
if not given then
    return
elseif given.abandon then
    return failover.abandon("failback", given)
end

local undone = failover.turned_round(given)
if not undone.mirrors then
    log.warn("the failover is unknown (see --failover): what it has reversed cannot be checked")
end
local run <close> = failover.begin("failback", given, undone)
if not undone.is_exact then
    run.note = duplicates:format(given.to.alias)
    log.warn("%s", run.note)
end
run:look()
run:check({ none_back = true, mirrors = undone.mirrors })
run:confirm()
for batch in run:batches() do
    batch:fence()
    if batch:halt() then batch:move_clients() end -- nothing is copied any more: they need not wait for the deletes
    batch:delete()
    batch:move_clients()
    batch:create()
end
local status = run:report()
if status == 0 then failover.forget_turned_round(run) end
return status
