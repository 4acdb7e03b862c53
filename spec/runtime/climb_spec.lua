-- climb.c in a simulated world: the same figures on every machine, however busy it is.
local climbing = require("spec.support.climbing")

describe("a rate that is found out", function()
    local program

    setup(function() program = climbing.program() end)

    -- The means of a few seeds: per cent used and rejected of the whole, then when all is settled, then seconds and
    -- rejections after the start and after a change. Used at the least and rejected at the most, in the whole.
    local function figures(case)
        local means, used, rejected = {}, 100, 0
        for seed = 1, 4 do
            local numbers = climbing.figures(program, case, seed)
            for i, number in ipairs(numbers) do means[i] = (means[i] or 0) + number / 4 end
            used, rejected = math.min(used, numbers[1]), math.max(rejected, numbers[2])
        end
        return means, used, rejected
    end

    local function said(case, means)
        local words = {}
        for name, value in pairs(case) do words[#words + 1] = name .. "=" .. value end
        table.sort(words)
        return table.concat(words, " ") .. ": " .. table.concat(means, " ")
    end

    for _, processes in ipairs { 1, 4 } do
        it(("uses 93 %% of a limit of 10 to 200 and has about 1 in 100 rejected, with %d processes"):format(processes),
            function()
                for _, limit in ipairs { 10, 35, 60, 200 } do
                    for _, known in ipairs { false, true } do
                        local case = { limit = limit, processes = processes, known = known and 1 or nil }
                        local means, used, rejected = figures(case)
                        assert.is_true(used >= (limit == 10 and 91 or 93), said(case, means)) -- 1 of 10 is a tenth
                        assert.is_true(rejected <= 1.1, said(case, means))
                    end
                end
            end)

        it(("follows one that changes, with %d processes"):format(processes), function()
            for _, change in ipairs { { 35, 60 }, { 60, 35 }, { 60, 200 }, { 200, 10 } } do
                local case = { limit = change[1], ["then"] = change[2], processes = processes, seconds = 60 }
                local means, used, rejected = figures(case)
                assert.is_true(used >= 93, said(case, means))
                assert.is_true(rejected <= 1.1, said(case, means))
            end
        end)

        it(("finds a leap within what the 429s before have to be paid for, and 4 s, with %d processes"):format(
            processes), function()
            for _, limit in ipairs { 10, 35 } do
                local case = { limit = limit, ["then"] = 200, ms = 5, processes = processes, seconds = 60 }
                local means = figures(case)
                assert.is_true(means[7] <= 105 / limit + 4, said(case, means))
                assert.is_true(means[2] <= 1, said(case, means))
            end
        end)
    end

    it("settles at 1 in 100 rejected and 91 % used, however far the server is", function()
        for _, limit in ipairs { 10, 35, 60, 200 } do
            for _, ms in ipairs { 5, 50, 150, 500 } do
                local case = { limit = limit, ms = ms, seconds = 200 }
                local means = figures(case)
                assert.is_true(means[3] >= (ms < 500 and 94 or 91), said(case, means))
                assert.is_true(means[4] <= 1.05, said(case, means))
            end
        end
    end)

    it("begins with no more than answers prove: few are rejected at a low limit far away", function()
        for _, processes in ipairs { 1, 4 } do
            for _, ms in ipairs { 5, 50, 150, 500 } do
                local case = { limit = 10, ms = ms, processes = processes, seconds = 30 }
                local means, _, rejected = figures(case)
                assert.is_true(means[6] <= 5, said(case, means)) -- of about 100
                assert.is_true(rejected <= 3, said(case, means))
            end
        end
    end)

    it("uses a limit that counts in whole seconds, or fills a bucket", function()
        for _, window in ipairs { "fixed", "bucket" } do
            for _, limit in ipairs { 10, 35, 200 } do
                for _, ms in ipairs { 5, 150 } do
                    local case = { limit = limit, ms = ms, window = window, seconds = 200 }
                    local means = figures(case)
                    assert.is_true(means[3] >= 95, said(case, means))
                    assert.is_true(means[4] <= (ms == 5 and 1.2 or 5), said(case, means))
                end
            end
        end
    end)

    it("is not slowed down by a Retry-After with each 429", function()
        for _, limit in ipairs { 10, 35, 200 } do
            local case = { limit = limit, ms = 5, retry_after = 1, seconds = 200 }
            local means = figures(case)
            assert.is_true(means[3] >= 92, said(case, means))
        end
    end)
end)
