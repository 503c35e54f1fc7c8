"""The face that TradingView's charting library expects of a data feed ("UDF"), at /udf/."""
