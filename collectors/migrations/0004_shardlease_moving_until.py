from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("collectors", "0003_symbol_info"),
    ]

    operations = [
        migrations.AddField(
            model_name="shardlease",
            name="moving_until",
            field=models.DateTimeField(
                blank=True, help_text="Until then nobody but `manage.py rebalance` may take it.", null=True
            ),
        ),
    ]
