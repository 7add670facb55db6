// Keys of what a run leaves, where its numbers go, and Axolotl's plugins.
import { flag, integer, text, type WorkingKey } from "../values.ts";
import { type Group, known, rows } from "./known.ts";

const TRACKING = "numbers go to the terminal and to output_dir; nothing is sent to this service";
const CHAT = "Gradio is Python; see eft inference";

const works = {
  output_dir: { schema: text.default("./model-out"), description: "Where the result goes." },
  logging_steps: { schema: integer(1).optional(), description: "Report the loss every so often." },
  strict: { schema: flag.default(false), description: "Unknown keys are errors in any case." },
} satisfies Record<string, WorkingKey>;

export const OUTPUT = {
  title: "Output, tracking, plugins",
  works,
  others: {
    ...known(
      "refused",
      "Eft uploads nothing; upload output_dir when the run is done",
      `
      hub_model_id | text | | Where on the hub the result goes.
      hub_strategy | text | | What is uploaded, and when.
      hub_revision | text | main | The branch it goes to.
      `,
    ),
    ...known(
      "no effect",
      TRACKING,
      `
      use_wandb | flag | | Use Weights & Biases.
      wandb_project | text | | The project; setting it turns W&B on.
      wandb_entity | text | | The team.
      wandb_watch | text or flag | | What of the model is recorded.
      wandb_name | text | | The name of the run.
      wandb_run_id | text | | The id of the run.
      wandb_mode | "online" or "offline" or "disabled" | online | Whether it sends.
      wandb_log_model | "checkpoint" or "end" or flag | | When it uploads the model.
      use_mlflow | flag | | Use MLflow.
      mlflow_experiment_name | text | | The experiment; setting it turns MLflow on.
      mlflow_tracking_uri | text | | The server.
      mlflow_run_name | text | | The name of the run.
      hf_mlflow_log_artifacts | flag | | Upload checkpoints.
      use_comet | flag | | Use Comet.
      comet_api_key | text | | The key.
      comet_workspace | text | | The workspace.
      comet_project_name | text | | The project.
      comet_experiment_key | text | | The experiment.
      comet_mode | text | | New or continued.
      comet_online | flag | true | Whether it sends.
      comet_experiment_config | mapping | | Further settings.
      use_trackio | flag | | Use Trackio.
      trackio_project_name | text | | The project.
      trackio_run_name | text | | The name of the run.
      trackio_space_id | text | | The Space it writes to.
      use_tensorboard | flag | | Write files for TensorBoard.
      use_otel_metrics | flag | false | Offer numbers to OpenTelemetry.
      otel_metrics_host | text | localhost | On this host.
      otel_metrics_port | integer | 8000 | At this port.
      use_swanlab | flag | | Use SwanLab.
      ${
        rows(
          "swanlab_project swanlab_experiment_name swanlab_description swanlab_mode " +
            "swanlab_workspace swanlab_api_key swanlab_web_host swanlab_api_host " +
            "swanlab_lark_webhook_url swanlab_lark_secret",
          "text",
          "Settings of SwanLab.",
        )
      }
      ${rows("swanlab_log_model swanlab_log_completions", "flag", "Settings of SwanLab.")}
      ${
        rows(
          "swanlab_completion_log_interval swanlab_completion_max_buffer",
          "integer",
          "Settings of SwanLab.",
        )
      }
      include_tokens_per_second | flag | | Report the speed; Eft always does.
      include_tkps | flag | true | Report the speed; Eft always does.
      `,
    ),
    ...known(
      "no effect",
      CHAT,
      `
      gradio_title | text | | The page's title.
      gradio_share | flag | true | Publish the page.
      gradio_server_name | text | | The page's host.
      gradio_server_port | integer | | The page's port.
      gradio_max_new_tokens | integer | | The longest answer.
      gradio_temperature | number | | How freely it is drawn.
      `,
    ),
    ...known(
      "no effect",
      "kernels and trackers of plugins have their place here; see each key",
      `
      plugins | texts | | Python modules that extend Axolotl.
      `,
    ),
    ...known(
      "refused",
      "compressing is a later step; train, then compress the result",
      `
      llmcompressor | mapping | | Settings of LLM Compressor.
      llmcompressor.recipe | mapping or text | | What is done.
      llmcompressor.save_compressed | flag | false | Save it packed.
      ${rows("nonexpert_quantization", "text", "Quantize what is no expert.")}
      ${
        rows(
          "gemma4_fp8_nonexpert gemma4_nf4_nonexpert nvfp4_merge_aware",
          "flag",
          "Quantize what is no expert.",
        )
      }
      nvfp4_merge_aware_start_step | number | | When that begins.
      `,
    ),
  },
} satisfies Group;
