# Small Parquet files of every compression and shape of value that data sets have, and the rows as
# JSON that they must give. pip install pyarrow==26.0.1; run in this folder.
import datetime
import json

import pyarrow as pa
import pyarrow.parquet as pq

COUNT = 50
rows = [
    {
        "instruction": f"Question {i} – ü",
        "input": None if i % 3 == 0 else f"input {i}",
        "output": "Answer " * (i % 7) + str(i),
        "score": i / 4,
        "number": i * 10**9,
        "flag": i % 2 == 0,
        "messages": [
            {"role": role, "content": f"{role} {i}", "tags": ["a"] * (i % 3)}
            for role in ["user", "assistant"][: i % 3]
        ],
        "input_ids": list(range(i % 5)),
        "when": datetime.datetime(2024, 1, 1 + i % 28, 12, 30),
    }
    for i in range(COUNT)
]
schema = pa.schema(
    [
        ("instruction", pa.string()),
        ("input", pa.string()),
        ("output", pa.large_string()),
        ("score", pa.float64()),
        ("number", pa.int64()),
        ("flag", pa.bool_()),
        (
            "messages",
            pa.list_(
                pa.struct(
                    [("role", pa.string()), ("content", pa.string()), ("tags", pa.list_(pa.string()))]
                )
            ),
        ),
        ("input_ids", pa.list_(pa.int32())),
        ("when", pa.timestamp("us")),
    ]
)
table = pa.Table.from_pylist(rows, schema=schema)
for name in ["none", "snappy", "gzip", "zstd", "brotli", "lz4"]:
    pq.write_table(table, f"{name}.parquet", compression=name, row_group_size=20)
pq.write_table(
    table, "v2.parquet", compression="zstd", data_page_version="2.0", use_dictionary=False,
    column_encoding={"number": "DELTA_BINARY_PACKED", "instruction": "DELTA_BYTE_ARRAY"},
)
pq.write_table(table.slice(0, 0), "empty.parquet")
for row in rows:
    row["when"] = row["when"].isoformat(timespec="milliseconds") + "Z"
with open("rows.json", "w") as file:
    json.dump(rows, file, ensure_ascii=False, indent=0)
