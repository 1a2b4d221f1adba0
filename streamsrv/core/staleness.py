"""Says which inputs are late results of something that has ended. Pure."""

from streamsrv.core import inputs
from streamsrv.core.answers.responses import Responses
from streamsrv.core.transcription import Transcriptions
from streamsrv.core.turns.input_buffer import InputBuffer


def is_stale(
    happened: inputs.Input, responses: Responses, input_buffer: InputBuffer, transcriptions: Transcriptions
) -> bool:
    """Whether an input is a late result of something that has ended."""
    match happened:
        case inputs.ModelOutput() | inputs.SpeechOutput() | inputs.SegmentSpoken() | inputs.GenerationFailed():
            return happened.generation not in responses
        case inputs.EndOfTurnPredicted() | inputs.WordsJudged():
            return not input_buffer.holds(happened.item_id)
        case inputs.TranscriptReceived() | inputs.RecognitionFailed():
            return happened.item_id not in transcriptions.pending and not input_buffer.holds(happened.item_id)
        case inputs.ToolReturned():
            return not responses.has_call(happened.call_id)
        case _:
            return False
