"""syncd's own memory: its document, and how what is seen changes it.

The memory is history: dates, origins, evidence, and what people asked for. It is never a source of trust, so losing it
means only that certificates whose origin was in it become `foreign` and stay until a person says otherwise.
"""
