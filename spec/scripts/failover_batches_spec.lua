local json = require("kmirror.json")
local regions = require("spec.support.regions")
local screens = require("spec.support.screen")
local support = require("spec.support")

local EAST, WEST = support.us_east, support.us_west
local EAST_KAFKA, WEST_KAFKA = regions.east:match(",(.+)"), regions.west:match(",(.+)")

describe("a failover of some mirrors, or in batches", function()
    local it_ = regions.fresh()
    local has = regions.has

    after_each(it_.stop)

    local topics = { order = { "created", "shipped", "cancelled" }, pay = { "authorized", "settled", "refunded" },
        cart = { "items", "abandoned" } }
    local families = { order = "orders", pay = "payments", cart = "carts" }
    local made -- changes before the spec's own

    -- A sandbox with up to so many mirrors of each team: of 'orders\.created' and so on.
    local function start(count, teams, options)
        options = options or {}
        options.world = 6
        it_.start(options)
        it_:kmirror("--yes", "run", "drain", "--in", EAST, "--all", "--busy", "--save",
            support.temporary("drained.json"))
        local specs = {}
        for _, team in ipairs(teams) do
            for i = 1, count do
                specs[#specs + 1] = { sourceType = "instaclustr", kafkaSource = WEST_KAFKA, sourceAlias = "us-west",
                    topicsRegex = ("%s\\.%s"):format(families[team], topics[team][i]), useRenaming = false,
                    usePrivateIps = false, maxTasks = 1 }
            end
        end
        local result = support.run { "create", "-", "--rate", "0", "--cluster", EAST, stdin = json.encode(specs),
            env = it_:env() }
        assert.are.equal(0, result.status, result.stderr)
        made = #it_:changes()
    end

    -- How many changes there have been since.
    local function changed() return #it_:changes() - made end

    -- The teams whose mirrors run on a cluster, with how many.
    local function teams_on(cluster)
        local counts, words = {}, {}
        for _, mirror in ipairs(it_:mirrors_on(cluster)) do
            local team = mirror.topicsRegex:match("^%a+")
            counts[team] = (counts[team] or 0) + 1
        end
        for team, count in pairs(counts) do words[#words + 1] = team .. count end
        table.sort(words)
        return table.concat(words, " ")
    end

    local function teams()
        return teams_on(EAST) .. " | " .. teams_on(WEST)
    end

    -- A hook that lets no batch begin while a file is not there.
    local function gate()
        local path = support.temporary("gate")
        os.remove(path)
        return "gate=test -e " .. path, path
    end

    local three = { "cart", "order", "pay" }

    -- ---- batches ------------------------------------------------------------------------------------------------

    it("moves 60 mirrors team by team, stops at a gate, and is continued by another process", function()
        it_.start { world = 60 }
        local path, its = regions.saved("--batches", "orders+payments+customers+inventory+shipments+carts,catalog+"
            .. "invoices+returns+fraud+loyalty+notifications,100%")
        local stop, opened = gate()
        its[#its + 1], its[#its + 2] = "--hook", stop
        local first = it_:failover({ "--yes" }, its)
        assert.are.equal(3, first.status, first.stderr)
        assert.are.equal(18, #it_:mirrors_on(WEST))
        assert.are.equal(42, #it_:mirrors_on(EAST))
        has(first.stdout, "1 of 3 batches is over; stopped at the gate before batch 2 of 3 (catalog and 5 more): "
            .. "the hook gate failed with status 1.")
        has(first.stdout, "18 of 18 new mirrors us-east -> us-west work")
        has(first.stdout, "\nNot begun: 2 batches (catalog and 5 more: 18, 24)\n")
        local state = json.read(path)
        assert.is_truthy(state.batches[1].over and not state.batches[2].acting and not state.finished)

        support.write(opened, "")
        it_:producers("us-west", "start") -- those of the other teams have gone on
        local second = it_:run_printed(first.stdout:match("To continue: +(%S[^\n]+)\n"))
        assert.are.equal(0, second.status, second.stderr)
        assert.are.equal(60, #it_:mirrors_on(WEST))
        assert.are.equal(0, #it_:mirrors_on(EAST))
        has(second.stderr, "batch 2 of 3 (catalog and 5 more): 18 mirrors\n")
        has(second.stderr, "batch 3 of 3: 24 mirrors\n")
        assert.is_nil(second.stderr:find("batch 1 of 3", 1, true))
        has(second.stdout, "3 of 3 batches are over.")
        has(second.stdout, "60 of 60 new mirrors us-east -> us-west work")
        has(second.stdout, "in 2 runs")
        assert.are.equal(120, #it_:changes())
        assert.is_truthy(json.read(path).finished)
    end)

    it("fences, deletes, moves the clients of and creates one batch after the other", function()
        start(2, three)
        local said = support.temporary("said")
        local function tell(step)
            return ([[%s=echo %s $KMIRROR_BATCH/$KMIRROR_BATCHES $KMIRROR_BATCH_NAME $KMIRROR_MIRRORS >> %s
                case $KMIRROR_TOPICS in *$KMIRROR_BATCH_NAME*) ;; *) exit 1;; esac]]):format(step, step, said)
        end
        local result = it_:failover({ "--yes" }, { "--batches", "order,pay+cart", "--hook", tell "fence", "--hook",
            tell "gate", "--hook", tell "clients" })
        assert.are.equal(3, result.status) -- pay+cart is no beginning of a topic
        assert.are.equal("fence 1/2 order 2\nclients 1/2 order 2\ngate 2/2 pay+cart 4\n", support.read(said))
        local done = {}
        for i = 1, 4 do done[i] = i <= 2 and "delete" or "create" end
        local changes = it_:changes()
        assert.are.same(done, table.move(changes, made + 1, #changes, 1, {}))
    end)

    it("cuts by sizes and percentages, too, and tells the batches before anything is done", function()
        start(2, three)
        local result = it_:failover({ "--dry-run" }, { "--batches", "1,35%" })
        assert.are.equal(0, result.status, result.stderr)
        has(result.stdout, "6 mirrors would be deleted, 6 created, in 4 batches (1, 2, 2, 1)")
        assert.are.equal(0, changed())
    end)

    it("refuses batches that are none, that take nothing, or that leave mirrors out", function()
        start(1, three)
        for batches, message in pairs {
            ["0"] = "--batches '0': expected sizes (10), percentages (25%) or beginnings of topics (payments)",
            ["pay,"] = "expected sizes (10)", ["101%"] = "expected sizes (10)",
            ["pay,ordr,100%"] = "no mirror is left whose topics regex begins with 'ordr'. Did you mean 'orders'?",
            ["pay,order"] = "1 mirror is in no batch, 'carts\\.items' among them; end it with 100% for the rest",
            ["pay,pay,100%"] = "begins with 'pay', as an earlier batch takes them",
        } do
            local result = it_:failover({ "--yes" }, { "--batches", batches })
            assert.are.equal(2, result.status, batches .. result.stderr)
            has(result.stderr, message)
        end
        assert.are.equal(0, changed())
    end)

    it("stops at the gate when a new mirror of the batch before does not work, unless that is accepted", function()
        start(2, three, { fail_every = 8 }) -- the second that is created the other way
        local path, its = regions.saved("--batches", "pay,100%", "--wait", "5")
        local result = it_:failover({ "--yes" }, its)
        assert.are.equal(3, result.status, result.stderr)
        has(result.stdout, "0 of 2 batches are over; stopped at the gate before batch 2 of 2: 1 new mirror of batch 1 "
            .. "of 2 (pay) does not work")
        has(result.stderr, "is FAILED")
        assert.are.equal("carts2 orders2 | payments2", teams())
        result = it_:failover({ "--yes" }, { "--accept", "failed", table.unpack(its) })
        assert.are.equal(3, result.status, result.stderr)
        assert.are.equal(" | carts2 orders2 payments2", teams())
        has(result.stdout, "Accepted: failed: mirror ")
        assert.are.equal("failed", json.read(path).accepted[1].kind)
    end)

    it("looks at a batch again before it begins, and leaves it when it is not in order", function()
        start(2, three)
        local break_one = [[gate=curl -fsS "$KMIRROR_ENDPOINT/sandbox/requests" > /dev/null; ]]
        local lost
        for _, mirror in ipairs(it_:mirrors_on(EAST)) do
            lost = mirror.topicsRegex == "orders\\.shipped" and mirror.id or lost
        end
        local result = it_:failover({ "--yes" }, { "--batches", "pay,100%", "--hook", break_one .. ("curl -fsS -u "
            .. "sandbox:sandbox-full-key -X DELETE $KMIRROR_ENDPOINT/provisioning/v1/%s/kafka-connect/mirrors/%s")
            :format(EAST, lost) })
        assert.are.equal(3, result.status, result.stderr)
        has(result.stdout, "1 mirror of batch 2 of 2 is gone: somebody else deletes mirrors")
        assert.are.equal("carts2 orders1 | payments2", teams())
        result = it_:failover({ "--yes" }, { "--batches", "pay,100%" })
        assert.are.equal(1, result.status)
        has(result.stderr, ("mirror %s of 'orders\\.shipped', of batch 2 of 2, is gone"):format(lost))
        has(result.stderr, "--abandon")
    end)

    it("refuses a second run, and --abandon, while one goes on with the same state", function()
        start(1, three)
        local path, its = regions.saved("--batches", "pay,100%")
        local said = support.temporary("said")
        local second = ("KMIRROR_API_KEY=sandbox-full-key %s --yes run failover --from %s --to %s --disaster --state %s"
            .. " --max-tasks 1 --batches pay,100%%"):format(support.executable, regions.west, regions.east, path)
        its[#its + 1], its[#its + 2] = "--hook", ("gate=%s >> %s 2>&1; echo ended $? >> %s; %s --abandon >> %s 2>&1; "
            .. "echo ended $? >> %s"):format(second, said, said, second, said, said)
        local result = it_:failover({ "--yes" }, its)
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal(2, select(2, support.read(said):gsub("another run goes on with [^\n]+; nothing was changed\n"
            .. "ended 2\n", "")), support.read(said))
        assert.are.equal(" | carts1 orders1 payments1", teams())
        assert.are.equal(6, changed())
    end)

    it("continues in the middle of the batch in which it was killed", function()
        it_.start { world = 4, creating_seconds = 2 }
        local its = { "--hook", regions.fence, "--batches", "pay+order,100%" }
        local run = support.start(it_:arguments("failover", regions.west, regions.east, { "--yes" }, its))
        support.eventually("the second batch", function()
            return run:stderr():find("batch 2 of 2, wait until they are up ...", 1, true)
        end, 20)
        run:signal("KILL")
        run:wait()
        local result = it_:failover({ "--yes" }, its)
        assert.are.equal(0, result.status, result.stderr)
        has(result.stderr, "0 created, 2 were there")
        has(result.stdout, "4 of 4 new mirrors")
        assert.are.equal(8, #it_:changes())
    end)

    it("lets the producers of a batch go on when its fence does not hold, and says what continues", function()
        start(2, { "order", "pay" })
        local unfenced = support.temporary("unfenced")
        local its = { false, "--hook", "fence=test $KMIRROR_BATCH = 2 || " .. regions.fence:sub(7), "--hook",
            "clients=curl -fsS -X POST $KMIRROR_ENDPOINT/sandbox/producers/$KMIRROR_FROM/start", "--hook",
            "unfence=echo $KMIRROR_BATCH_NAME > " .. unfenced, "--batches", "pay,order", "--fence-wait", "0.5" }
        local result = it_:failover({ "--yes" }, its)
        assert.are.equal(1, result.status, result.stderr)
        has(result.stderr, "the fence cannot be confirmed")
        has(result.stderr, "stopped in batch 2 of 2 (order): 2 mirrors deleted, 2 created in this run")
        assert.are.equal("order\n", support.read(unfenced))
        assert.are.equal("orders2 | payments2", teams())
        it_:producers("us-west", "stop")
        result = it_:run_printed(result.stderr:match("error: to continue: ([^\n]+)\n"))
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal(" | orders2 payments2", teams())
    end)

    it("creates the mirrors of all batches later when --no-reverse left them out", function()
        start(1, three)
        local path, its = regions.saved("--batches", "1,100%")
        local result = it_:failover({ "--yes" }, { "--no-reverse", table.unpack(its) })
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal(" | ", teams())
        result = it_:run_printed(result.stdout:match("To create them: +(%S[^\n]+)\n"))
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal(" | carts1 orders1 payments1", teams())
        assert.is_truthy(json.read(path).finished)
        assert.are.equal(6, changed())
    end)

    it("asks at each gate for the number of the batch, and stops there when it is interrupted", function()
        start(1, three)
        local words = it_:arguments("failover", regions.west, regions.east, {}, { "--batches", "1", "--hook",
            regions.fence, "--hook", "clients=true" })
        words.columns = 110
        local screen = screens.start(words)
        screen:wait("Type us-west to continue:")
        screen:enter("us-west", "Type 2 to continue:")
        screen:enter("2", "Type 3 to continue:")
        screen:signal("INT")
        local shown = screen:wait("ended with 130")
        screen:stop()
        has(shown, "stopped at the gate before batch 3 of 3: 2 mirrors deleted, 2 created in this run")
        has(shown, "not confirmed: nothing of it was changed")
        has(shown, "to continue:\n         kmirror run failover")
        assert.are.equal(2, #it_:mirrors_on(WEST))
    end)

    it("goes back in batches, too", function()
        start(1, three)
        assert.are.equal(0, it_:failover({ "--yes" }).status)
        local its = { "--batches", "payments,2", "--throughput-wait", "0.2", "--hook", (gate()) }
        local result = it_:failback({ "--yes" }, its)
        assert.are.equal(3, result.status, result.stderr)
        has(result.stdout, "Failback us-east -> us-west, planned")
        has(result.stdout, "stopped at the gate before batch 2 of 2")
        assert.are.equal("payments1 | carts1 orders1", teams())
        its[#its] = "gate=true"
        it_:producers("us-west", "start")
        result = it_:failback({ "--yes" }, its)
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal("carts1 orders1 payments1 | ", teams())
    end)

    -- ---- some -----------------------------------------------------------------------------------------------------

    it("is interrupted when a gate's hook begins as anywhere else, and not as if the gate had stayed closed", function()
        start(1, three)
        local slow, begun = support.temporary_directory("bin"), support.temporary("begun")
        os.remove(begun)
        support.write(slow .. "/mktemp", ("#!/bin/sh\n[ ! -e %s.armed ] || { : > %s; sleep 0.5; }\n"
            .. "exec /usr/bin/mktemp \"$@\"\n"):format(begun, begun))
        assert(os.execute("chmod +x " .. slow .. "/mktemp"))
        local words = it_:arguments("failover", regions.west, regions.east, { "--yes" }, { "--batches", "pay,100%",
            "--hook", regions.fence, "--hook", regions.clients .. ("; : > %s.armed"):format(begun), "--hook",
            "gate=sleep 60" })
        words.env.PATH = slow .. ":" .. os.getenv("PATH")
        local run = support.start(words)
        support.eventually("the gate's hook", function() return os.rename(begun, begun) end, 20)
        run:signal("INT")
        local result = run:wait(20)
        assert.are.equal(130, result.status, result.stderr)
        assert.are.equal("carts1 orders1 | payments1", teams())
    end)

    it("stops at the gate of a failback when no records flow in the batch before", function()
        start(1, three)
        local result = it_:failover({ "--yes" })
        assert.are.equal(0, result.status, result.stderr)
        result = it_:failback({ "--yes" }, { false, "--hook", regions.fence, "--hook", "clients=true",
            "--batches", "pay,100%", "--throughput-wait", "0.3" })
        assert.are.equal(3, result.status, result.stderr)
        has(result.stdout, "stopped at the gate before batch 2 of 2: 1 new mirror of batch 1 of 2 (pay) does not work")
        has(result.stderr, "carries no records")
        assert.are.equal("payments1 | carts1 orders1", teams())
    end)

    it("leaves what is not selected where it is, and its failback brings back what it has reversed", function()
        start(2, three)
        local result = it_:failover({ "--yes" }, { "--only", "begins:pay", "--topic", "payments.settled",
            "--topic", "payments.authorized" })
        assert.are.equal(0, result.status, result.stderr)
        has(result.stderr, "4 mirrors us-west -> us-east are not selected and stay: clients of their topics stay in "
            .. "us-west")
        assert.are.equal("carts2 orders2 | payments2", teams())
        it_:producers("us-west", "start")
        local other = it_:failover({ "--yes" }, { "--except", "begins:cart" })
        assert.are.equal(0, other.status, other.stderr)
        assert.are.equal("carts2 | orders2 payments2", teams())
        local back = it_:failback({ "--yes" }, { "--only", "begins:order" })
        assert.are.equal(0, back.status, back.stderr)
        assert.are.equal("carts2 orders2 | payments2", teams())
        it_:producers("us-east", "start")
        back = it_:run_printed(other.stdout:match("To fail back: +(%S[^\n]+)\n"))
        assert.are.equal(0, back.status, back.stderr)
        assert.are.equal("carts2 orders2 payments2 | ", teams())
    end)

    it("refuses an option that means no mirror, and changes nothing", function()
        start(1, three)
        for _, its in ipairs { { "--only", "begins:paz" }, { "--topic", "pay.x" }, { "--only", "payments" },
            { "--id", "ffff" }, { "--id", "0000" }, { "--regex", "x" } } do
            local result = it_:failover({ "--yes" }, its)
            assert.are.equal(2, result.status, result.stderr)
            has(result.stderr, ("no mirror has %s '%s'"):format(its[1], its[2]))
            has(result.stderr, "there are 3 mirrors us-west -> us-east; nothing was changed")
        end
        local result = it_:failover({ "--yes" }, { "--except", "cart" })
        assert.are.equal(2, result.status)
        has(result.stderr, "no mirror has --except 'cart'")
        result = it_:failover({ "--yes" }, { "--status", "FAILED" })
        assert.are.equal(1, result.status)
        has(result.stderr, "refused: there are no mirrors us-west -> us-east that the options mean (3 others)")
        assert.are.equal(0, changed())
    end)

    it("refuses to take apart mirrors of the same topics: by selection, or by batches", function()
        start(1, three)
        it_:create(EAST, "us-west", WEST_KAFKA, "pay.*")
        for _, its in ipairs { { "--only", "payments\\.authorized" }, { "--batches", "payments.,100%" } } do
            local result = it_:failover({ "--yes", "--api", "v1" }, its)
            assert.are.equal(1, result.status, result.stderr)
            has(result.stderr, "its records would go round between the regions in a loop; take both at once, or none")
            has(result.stderr, "refused: ")
            assert.is_nil(result.stderr:find("--accept", 1, true))
        end
        local result = it_:failover({ "--yes" }, { "--only", "begins:pay" })
        assert.are.equal(0, result.status, result.stderr)
    end)

    it("takes an overlap that no known topic shows for a finding that can be accepted", function()
        start(1, three)
        it_:create(EAST, "us-west", WEST_KAFKA, "zzz|carts\\.x{9}")
        it_:create(EAST, "us-west", WEST_KAFKA, "carts\\.[xy]+")
        local its = { "--accept", "silent", "--only", "carts\\.[xy]+" }
        local result = it_:failover({ "--yes" }, its)
        assert.are.equal(1, result.status, result.stderr)
        has(result.stderr, "to take responsibility for what was found, once it is understood: --accept overlap")
        result = it_:failover({ "--yes" }, { "--accept", "overlap", table.unpack(its) })
        assert.are.equal(0, result.status, result.stderr)
        has(result.stdout, "          overlap: mirror ")
    end)

    -- ---- one that is open -----------------------------------------------------------------------------------------

    it("says what is open to a run of other mirrors, and how to continue or close that", function()
        start(2, three)
        local stop, opened = gate()
        local its = { "--except", "begins:cart", "--batches", "pay,order", "--hook", stop }
        assert.are.equal(3, it_:failover({ "--yes" }, its).status)
        local count = changed()
        for _, other in ipairs { {}, { "--only", "begins:cart" }, { "--except", "begins:cart", "--batches", "1" } } do
            local result = it_:failover({ "--yes" }, other)
            assert.are.equal(2, result.status, result.stderr)
            has(result.stderr, "a failover us-west -> us-east is open since 20")
            has(result.stderr, "1 of 2 batches is over (pay), 2 of 4 mirrors left; it is about --except begins:cart in "
                .. "--batches pay,order, and this command is not")
            has(result.stderr, "nothing was changed")
        end
        assert.are.equal(count, changed())
        local said = it_:failover({ "--yes" }).stderr
        support.write(opened, "")
        local result = it_:run_printed(said:match("To continue it, with the hooks that it had: ([^\n]+)\n"))
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal("carts2 | orders2 payments2", teams())
    end)

    it("is closed by --abandon, which changes no mirror, and says what is left and what to do", function()
        start(2, three)
        local stop = gate()
        local path, its = regions.saved("--batches", "pay,100%", "--hook", stop)
        assert.are.equal(3, it_:failover({ "--yes" }, its).status)
        local lost = it_:mirrors_on(WEST)[1]
        it_:kmirror("delete", "--yes", "--cluster", WEST, lost.id)
        local count = changed()
        local result = it_:failover({ "--yes", "--dry-run" }, { "--state", path, "--abandon" })
        assert.are.equal(0, result.status, result.stderr)
        has(result.stdout, "Dry run: it would be closed")
        result = it_:failover({ "--yes" }, { "--state", path, "--abandon" })
        assert.are.equal(0, result.status, result.stderr)
        has(result.stdout, "1 reversed, 4 as before, 1 copied in neither direction, 0 in both")
        has(result.stdout, "It is closed; no mirror was changed.")
        assert.are.equal(count, changed())
        assert.are.equal(0, it_:run_printed(result.stdout:match("To create again: .-(kmirror create [^\n]+)\n")).status)
        assert.are.equal("carts2 orders2 | payments2", teams())
        assert.are.equal(2, it_:failover({ "--yes" }, { "--state", path, "--abandon" }).status)
        it_:producers("us-west", "stop")
        local back = it_:run_printed(result.stdout:match("To fail back: +(%S[^\n]+)\n"), "--yes")
        assert.are.equal(0, back.status, back.stderr)
        assert.are.equal(1, select(2, teams_on(EAST):gsub("payments1", "")))
    end)

    it("has nothing to abandon where nothing is open", function()
        start(1, three)
        local result = it_:failover({ "--yes" }, { "--abandon" })
        assert.are.equal(2, result.status)
        has(result.stderr, "there is no open failover us-west -> us-east to abandon")
        assert.are.equal(0, changed())
    end)

    -- ---- findings that are accepted ------------------------------------------------------------------------------

    it("continues in spite of findings that the operator accepts, kind by kind, and writes them down", function()
        start(2, { "order", "pay" }, { stale_every = 2 })
        local path, its = regions.saved("--accept", "failed")
        local result = it_:failover({ "--yes" }, its)
        assert.are.equal(1, result.status)
        has(result.stderr, "to take responsibility for what was found, once it is understood: --accept stale")
        its[#its] = "STALE"
        result = it_:failover({ "--yes" }, its)
        has(result.stderr, "accepted (stale): mirror ")
        has(result.stderr, "of 2 mirrors that were accepted nothing shows that all has arrived")
        has(result.stdout, "accept findings")
        has(result.stdout, "Accepted: stale: mirror ")
        local accepted = json.read(path).accepted
        assert.are.same({ 2, "stale", "stale" }, { #accepted, accepted[1].kind, accepted[2].kind })
        assert.are_not.equal(accepted[1].id, accepted[2].id)
        assert.are.equal(0, #it_:mirrors_on(EAST))
    end)

    it("names the kinds that there are when one is not known", function()
        local result = support.run { "run", "--sandbox", "failover", "--accept", "stalle" }
        assert.are.equal(2, result.status)
        has(result.stderr, "--accept: unknown kind of finding 'stalle'. Did you mean 'stale'? Known are connector,")
        has(support.run { "run", "failover", "--help" }.stdout, "\n  out_of_sync  a mirror is OUT_OF_SYNC\n")
    end)

    it("leaves mirrors of other topics that run the other way alone when it is about a part", function()
        start(1, three)
        it_:create(WEST, "us-east", EAST_KAFKA, "other")
        local result = it_:failover({ "--yes" }, { "--only", "begins:pay" })
        assert.are.equal(0, result.status, result.stderr)
        result = it_:failover({ "--yes" })
        assert.are.equal(1, result.status)
        has(result.stderr, "of 'other' runs us-east -> us-west already, and none to reverse has the same topics")
        has(result.stderr, "--accept opposite")
        assert.are.equal(0, it_:failover({ "--yes" }, { "--accept", "opposite" }).status)
        assert.are.equal(" | carts1 orders1 other1 payments1", teams())
    end)
end)
