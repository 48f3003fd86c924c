"""What becomes of attempts that a provider took and rejected afterwards, through no fault of their recipients.

They wait for an operator, who mends the cause and has them made again, or gives them up. Those in files of a print
house are asked for by its jobs (`printed/`), all others here, by their incident.
"""
