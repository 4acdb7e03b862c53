local support = require "spec.support"

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
