-- failover: turns the mirrors between two regions round.
--
-- The mirrors FROM -> TO run on TO's Kafka Connect cluster. Planned, the producers in FROM are stopped first, and
-- nothing is deleted before all that they wrote has arrived. In a disaster there is nobody to wait for. What there was
-- is saved before anything is done; run again, a failover that did not end continues where it stopped. With --batches
-- all of that is done for one team after the other, with a gate between.

local failover = require("kmirror.failover")

local description = [[
Reverses the mirrors between two regions: deletes those FROM -> TO, creates
the reverse ones. Before it deletes anything it has the producers in FROM
stopped and makes sure that all has arrived in TO; with --disaster it does not.]]

local given = failover.options("failover", description, function(parser)
    parser:flag("--disaster", "FROM is lost: wait for nothing there, run no hook fence or drained.")
end, ...)
if not given then
    return
elseif given.abandon then
    return failover.abandon("failover", given)
end

local run <close> = failover.begin("failover", given)
run:look()
run:check()
run:confirm()
for batch in run:batches() do
    if not given.disaster then batch:fence() end
    if batch:halt() then batch:move_clients() end -- nothing is copied any more: they need not wait for the deletes
    batch:delete()
    batch:move_clients()
    batch:create()
end
return run:report()
