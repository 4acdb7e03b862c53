local moment = require("kmirror.moment")

local EXPECTED <const> = "expected HH:MM, or a date and a time as in 2026-11-29T02:00 (local) or 2026-11-29T01:00:00Z"

-- In the time zone of this process; the specs of --not-before try others.
local function at(year, month, day, hour, minute, second)
    return os.time { year = year, month = month, day = day, hour = hour, min = minute or 0, sec = second or 0 }
end

describe("A moment", function()
    it("is read as ISO 8601 has it, with Z or an offset", function()
        for text, seconds in pairs {
            ["1970-01-01T00:00Z"] = 0, ["2026-11-29T01:00:00Z"] = 1795914000,
            ["2026-11-29T02:00:00+01:00"] = 1795914000, ["2026-11-29T02:00+0100"] = 1795914000,
            ["2026-11-28 20:00-05"] = 1795914000, [" 2026-11-29T06:30+05:30 "] = 1795914000,
            ["2028-02-29T00:00:00.25z"] = 1835395200,
        } do
            assert.are.equal(seconds, moment.read(text), text)
        end
    end)

    it("is local without them", function()
        assert.are.equal(at(2026, 11, 29, 2), moment.read("2026-11-29T02:00"))
        assert.are.equal(at(2026, 7, 1, 23, 59, 58), moment.read("2026-07-01 23:59:58"))
    end)

    it("is the next one of that time of day", function()
        local noon = at(2026, 11, 28, 12)
        assert.are.equal(at(2026, 11, 28, 12, 1), moment.read("12:01", noon))
        assert.are.equal(at(2026, 11, 29, 12), moment.read("12:00", noon))
        assert.are.equal(at(2026, 11, 29, 2), moment.read("2:00", noon))
        assert.are.equal(at(2026, 11, 28, 12, 0, 5), moment.read("12:00:05", noon))
        assert.are.equal(at(2027, 1, 1, 0), moment.read("00:00", at(2026, 12, 31, 23)))
    end)

    it("is refused where it is none", function()
        for _, text in ipairs {
            "", "noon", "25:00", "24:00", "12:60", "12:00:60", "12", "10:0", "2026-11-29", "2026-13-01T00:00",
            "2026-02-29T00:00", "2026-11-31T00:00Z", "2026-11-29T10:00+15:00", "2026-11-29T10:00+01:60",
            "2026-11-29T10:00CET", "2026-11-29T10", "1969-12-31T00:00Z", "20261129T1000Z", "tomorrow 10:00",
        } do
            local read, problem = moment.read(text)
            assert.are.same({ nil, EXPECTED }, { read, problem }, text)
        end
    end)

    it("is a while away, by the two largest units", function()
        for seconds, words in pairs {
            [0] = "0 s", [59.4] = "59 s", [60] = "1 min 0 s", [3600] = "1 h 0 min", [50580] = "14 h 3 min",
            [90061] = "1 d 1 h", [-3] = "0 s",
        } do
            assert.are.equal(words, moment.span(seconds))
        end
    end)
end)
