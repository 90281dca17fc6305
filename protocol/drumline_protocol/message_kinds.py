"""What the header of a message item says of it: the word under `kind`, and the number of its call.

The writers are in `drumline_worker.model_call`, the readers in `drumline.views`.
"""

#: a token chunk, a whole message of a model, a message found in a node's output
CHUNK, WHOLE, OUTPUT = "chunk", "whole", "output"
#: no message, but the `ids` of those that a node was given: they are not shown again
GIVEN = "given"

#: the call number of messages that a node returned; models begin at 1
OUTPUT_CALL = 0
