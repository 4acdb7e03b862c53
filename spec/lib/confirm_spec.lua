local support = require("spec.support")

describe("the question before something that cannot be undone", function()
    -- Says how its run ended, as what a runbook closes is told.
    local runbook = support.temporary("asks.lua", [[
        local closed <close> = setmetatable({}, { __close = function(_, problem)
            io.stderr:write("closed: ", type(problem) == "table" and problem.kind or tostring(problem), "\n")
        end })
        require "kmirror.confirm".typed("Delete it all", "delete", "no mirror was deleted")
        io.stderr:write("confirmed\n")
    ]])

    -- Runs it on a terminal, with `act` done in a shell once it asks: what that prints is typed, and $PID is asked.
    local function asked(act)
        local log, pid = support.temporary("typescript", ""), support.temporary("pid", "")
        local result = support.run {
            "-c", ([[{ for _ in $(seq 400); do grep -qs 'to continue: ' "$2" && break; sleep 0.02; done
                    PID=$(cat "$3"); %s; for _ in $(seq 400); do kill -0 $PID 2>&- || break; sleep 0.02; done; } |
                script -qefc "$1" "$2"]]):format(act),
            "sh", ("echo $$ > %s; exec %s run %s"):format(pid, support.executable, runbook), log, pid, command = "sh",
        }
        return result.status, support.read(log)
    end

    it("goes on when the word is typed, with blanks around it, too", function()
        local status, screen = asked [[printf ' delete \n']]
        assert.are.equal(0, status, screen)
        assert.is_truthy(screen:find("Delete it all\r\nType delete to continue: ", 1, true))
        assert.is_truthy(screen:find("confirmed", 1, true))
    end)

    it("fails when another word is typed, or none, and says what that leaves", function()
        for _, typed in ipairs { [[printf 'deleted\n']], [[printf '\n']], [[printf '\004']] } do
            local status, screen = asked(typed)
            assert.are.equal(1, status, screen)
            assert.is_truthy(screen:find("closed: not confirmed: no mirror was deleted", 1, true), screen)
        end
    end)

    it("is interrupted like everything else, and says what that leaves", function()
        for _, act in ipairs { [[printf '\003']], "kill -INT $PID", "kill -TERM $PID", "kill -HUP $PID" } do
            local status, screen = asked(act)
            assert.are.equal(130, status, screen)
            assert.is_truthy(screen:find("not confirmed: no mirror was deleted", 1, true), screen)
            assert.is_truthy(screen:find("closed: cancelled", 1, true), screen)
            assert.is_truthy(screen:find("kmirror: interrupted", 1, true), screen)
        end
    end)
end)

describe("an approval by another user", function()
    local function run(...)
        return support.run { env = { XDG_STATE_HOME = support.temporary_directory("state") }, "run", "--sandbox", ... }
    end

    local asks = support.temporary("asks.lua", [[require "kmirror.confirm".approval("delete it all") print "approved"]])

    it("is refused in a store that has but one user, before anything is written there", function()
        for _, words in ipairs { { "--approval", "--job", "x", asks }, { "--approval", "--job", "x", "drain" } } do
            local result = run(table.unpack(words))
            assert.are.same({ 2, "" }, { result.status, result.stdout })
            assert.matches("an approval takes a store with users of its own", result.stderr, 1, true)
            assert.matches("--store postgresql://", result.stderr, 1, true)
            assert.is_nil(result.stderr:find("kmirror jobs resume", 1, true))
        end
        assert.matches("an approval takes a store with users", run("--job", "x", asks).stderr, 1, true)
    end)

    it("takes a job", function()
        assert.matches("--approval takes a job, which another user of the store can find: give --job NAME, too",
            run("--approval", "drain").stderr, 1, true)
        local result = run(asks)
        assert.are.equal(2, result.status)
        assert.matches("an approval takes a job", result.stderr, 1, true)
    end)

    it("is not needed where nothing is changed", function()
        local result = run("--dry-run", asks)
        assert.are.same({ 0, "approved\n" }, { result.status, result.stdout }, result.stderr)
    end)

    it("is decided by who says which job, and why not", function()
        assert.matches("jobs refuse x: give --reason TEXT", support.usage_error("jobs", "refuse", "x"), 1, true)
        assert.matches("there is no job 'x'", support.usage_error("jobs", "approve", "x"), 1, true)
        assert.matches("jobs approve: which job?", support.usage_error("jobs", "approve"), 1, true)
        assert.matches("kmirror jobs has no --digest", support.usage_error("jobs", "--digest", "12345678"), 1, true)
    end)
end)
