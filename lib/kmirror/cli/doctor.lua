return { name="doctor", arguments="", summary="x", details="", sets={}, define=function() end, run=function() return 0 end }
