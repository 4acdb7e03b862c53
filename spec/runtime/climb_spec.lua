-- climb.c in a simulated world: the same figures on every machine, however busy it is.
local support = require("spec.support")

describe("a rate that is found out", function()
    local program

    setup(function()
        program = support.temporary("climbing")
        local compile = ("cc -std=c11 -O2 -D_GNU_SOURCE -Iruntime -o %s spec/support/climbing.c runtime/governor.c "
            .. "runtime/leased.c runtime/climb.c -lm 2>&1"):format(program)
        local pipe <close> = io.popen(compile)
        local said = pipe:read("a")
        assert(pipe:close(), said)
    end)

    -- The least used and the most rejected, in per cent, of as many seeds.
    local function figures(case)
        local least, most = 100, 0
        for seed = 1, 10 do
            local command = ("%s%s %g %g %g %d %g %d"):format(case.known and "KNOWN=1 " or "", program, case.limit,
                case.later or 0, case.away or 2, case.processes, case.seconds or 30, seed)
            local pipe <close> = io.popen(command)
            local used, rejected = pipe:read("n", "n")
            least, most = math.min(least, used), math.max(most, rejected)
        end
        return least, most
    end

    for _, processes in ipairs { 1, 4 } do
        it(("uses 93 %% of a limit of 10 to 200 and has about 1 in 100 rejected, with %d processes"):format(processes),
            function()
                for _, limit in ipairs { 10, 35, 60, 200 } do
                    for _, known in ipairs { false, true } do
                        local used, rejected = figures { limit = limit, processes = processes, known = known }
                        local name = ("limit %d%s: %.1f %%, %.2f %%"):format(limit, known and ", known" or "", used,
                            rejected)
                        assert.is_true(used >= (limit == 10 and 91 or 93), name) -- 1 of 10 is a tenth of a window
                        assert.is_true(rejected <= 1.1, name)
                    end
                end
            end)

        it(("follows one that changes, with %d processes"):format(processes), function()
            for _, change in ipairs { { 35, 60 }, { 60, 35 }, { 60, 200 }, { 200, 10 } } do
                local used, rejected = figures { limit = change[1], later = change[2], processes = processes,
                    seconds = 60 }
                local name = ("%d to %d: %.1f %%, %.2f %%"):format(change[1], change[2], used, rejected)
                assert.is_true(used >= 93, name)
                assert.is_true(rejected <= 1.1, name)
            end
        end)
    end

    it("is found out more gently far from the server, where a 429 comes late", function()
        local used, rejected = figures { limit = 200, away = 150, processes = 1 }
        assert.is_true(used >= 90 and rejected <= 2, ("%.1f %%, %.2f %%"):format(used, rejected))
    end)
end)
