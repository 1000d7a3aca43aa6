"""The systems that OMS calls, Thunderhead and the Reference Data API, and how hard they may be called."""
